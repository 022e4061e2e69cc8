import { MillraceError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { LoadClientOptions } from './load-client.ts'

/** Names behind `MILLRACE_STARROCKS_` or `MILLRACE_DORIS_`, with what they mean. */
export const LOAD_ENVIRONMENT: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: 'URL', meaning: 'HTTP addresses of the FEs, separated by commas. Required.' },
  { name: 'DATABASE', meaning: 'Database of the tables. Required.' },
  { name: 'USERNAME', meaning: 'Default: root.' },
  { name: 'PASSWORD', meaning: 'Default: none.' },
  { name: 'ALLOW_PLAINTEXT', meaning: '`true` allows the password over plain HTTP to a host that is not loopback.' },
]

type Environment = Readonly<Record<string, string | undefined>>

/** How to reach a server, as the environment says. */
export function loadFromEnvironment(system: 'starrocks' | 'doris', environment: Environment): LoadClientOptions {
  const prefix = `MILLRACE_${system.toUpperCase()}_`
  const read = (name: string): string | undefined => environment[`${prefix}${name}`] || undefined
  const [url, database] = [read('URL'), read('DATABASE')]
  if (url === undefined || database === undefined)
    throw new MillraceError(`reading the environment: ${prefix}URL and ${prefix}DATABASE have to be set`, {
      code: 'CONFIG',
    })
  return {
    urls: url.split(',').map((one) => one.trim()),
    database,
    username: read('USERNAME') ?? 'root',
    password: new Secret(read('PASSWORD') ?? ''),
    allowPlaintext: read('ALLOW_PLAINTEXT') === 'true',
  }
}
