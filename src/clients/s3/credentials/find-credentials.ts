import type { S3Credentials } from '../../../core/options.ts'
import type { World } from '../world.ts'
import { noCredentials } from './auth-error.ts'
import type { CredentialSource } from './credentials.ts'
import { environmentSource } from './environment.ts'
import { containerSource, instanceSource } from './metadata-service.ts'
import { profileSource } from './profile.ts'
import { webIdentitySource } from './web-identity.ts'

/**
 * The first place that applies, in the order of AWS's own tools: given keys, environment, web identity, profile,
 * container, machine. Only one is ever asked: a place that is configured and fails is an error, not a reason to go on
 * as somebody else.
 */
export function findCredentials(given: S3Credentials | undefined, world: World): CredentialSource {
  if (given !== undefined) return { name: 'the catalog', load: async () => ({ ...given }) }
  return (
    environmentSource(world) ??
    webIdentitySource(world) ??
    profileSource(world) ??
    containerSource(world) ??
    instanceSource(world) ??
    nowhere()
  )
}

function nowhere(): CredentialSource {
  const name = 'the environment and the home directory'
  return {
    name,
    load: async () => {
      throw noCredentials(name, 'there are none; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE')
    },
  }
}
