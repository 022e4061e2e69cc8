import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../../../core/secret.ts'
import type { World } from '../world.ts'
import { noCredentials } from './auth-error.ts'
import type { Credentials, CredentialSource } from './credentials.ts'

type Settings = ReadonlyMap<string, string>

/**
 * Keys of a profile in the shared files of AWS's tools (`~/.aws/credentials`, `~/.aws/config`); read anew when they have
 * expired. Profiles that run programs or ask for other roles are refused by name: a sync job must not start whatever a
 * file in a home directory says.
 */
export function profileSource(world: World): CredentialSource | undefined {
  const { environment } = world
  const profile = environment['AWS_PROFILE'] || 'default'
  const isNamed = Boolean(environment['AWS_PROFILE'])
  const { credentials, config } = filesOf(world)
  if (!isNamed && !hasKeys(profile, credentials, config)) return undefined
  const name = `the profile "${profile}" of ${credentials}`
  return { name, load: async () => load(name, profile, credentials, config) }
}

/** The region that the profile names. */
export function profileRegion(world: World): string | undefined {
  const { credentials, config } = filesOf(world)
  return settingsOf(world.environment['AWS_PROFILE'] || 'default', credentials, config).get('region')
}

function filesOf({ environment, home }: World): { readonly credentials: string; readonly config: string } {
  return {
    credentials: environment['AWS_SHARED_CREDENTIALS_FILE'] || join(home, '.aws', 'credentials'),
    config: environment['AWS_CONFIG_FILE'] || join(home, '.aws', 'config'),
  }
}

function load(name: string, profile: string, credentials: string, config: string): Credentials {
  const settings = settingsOf(profile, credentials, config)
  const id = settings.get('aws_access_key_id')
  const secret = settings.get('aws_secret_access_key')
  const token = settings.get('aws_session_token')
  if (id === undefined || secret === undefined) {
    const other = ['credential_process', 'role_arn', 'sso_session', 'sso_start_url'].find((key) => settings.has(key))
    const why = other === undefined ? 'it has no keys' : `it gets its keys by ${other}, which is not supported`
    throw noCredentials(name, `${why}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead`)
  }
  for (const file of [credentials, config]) refuseShared(name, file)
  return {
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    ...(token === undefined ? {} : { sessionToken: new Secret(token) }),
  }
}

/** A file with keys that others can read is no secret any more. */
function refuseShared(name: string, file: string): void {
  if (process.platform === 'win32' || !existsSync(file)) return
  const holdsKeys = readFileSync(file, 'utf8').includes('aws_secret_access_key')
  if (holdsKeys && (statSync(file).mode & 0o077) !== 0) {
    throw noCredentials(name, `${file} can be read by other users (chmod 600 ${file})`)
  }
}

function hasKeys(profile: string, credentials: string, config: string): boolean {
  return settingsOf(profile, credentials, config).has('aws_access_key_id')
}

function settingsOf(profile: string, credentials: string, config: string): Settings {
  const ofConfig = sectionOf(config, profile === 'default' ? ['default', 'profile default'] : [`profile ${profile}`])
  return new Map([...ofConfig, ...sectionOf(credentials, [profile])])
}

/** Settings of the sections with these names in a file of `[section]` and `key = value` lines. */
function sectionOf(file: string, names: readonly string[]): Settings {
  const settings = new Map<string, string>()
  if (!existsSync(file)) return settings
  let isIn = false
  for (const line of readFileSync(file, 'utf8').split(/\r?\n/)) {
    const section = /^\s*\[\s*(.*?)\s*\]/.exec(line)?.[1]
    if (section !== undefined) isIn = names.includes(section.replaceAll(/\s+/g, ' '))
    const [, key, value] = /^([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (isIn && key !== undefined && value !== undefined)
      settings.set(key.toLowerCase(), value.replace(/\s+[#;].*$/, ''))
  }
  return settings
}
