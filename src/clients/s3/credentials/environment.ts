import { Secret } from '../../../core/secret.ts'
import type { World } from '../world.ts'
import { noCredentials } from './auth-error.ts'
import type { CredentialSource } from './credentials.ts'

/** `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN`. */
export function environmentSource({ environment }: World): CredentialSource | undefined {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = environment
  if (!id && !secret) return undefined
  const name = 'the environment (AWS_ACCESS_KEY_ID)'
  return {
    name,
    load: async () => {
      if (!id || !secret) throw noCredentials(name, 'both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be set')
      return {
        accessKeyId: id,
        secretAccessKey: new Secret(secret),
        ...(token ? { sessionToken: new Secret(token) } : {}),
      }
    },
  }
}
