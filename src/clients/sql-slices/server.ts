import { z, type ZodType } from 'zod'
import { isLoopback } from '../../core/host-address.ts'
import { MillraceError } from '../../core/errors.ts'
import { identifier, secret, url } from '../../core/options.ts'
import { Secret } from '../../core/secret.ts'

/** Where a server is and who asks it. */
export interface ServerOptions {
  readonly url: string
  readonly username: string
  readonly password?: Secret | undefined
  readonly tls?: TlsOptions | undefined
  readonly allowPlaintext: boolean
}

export interface TlsOptions {
  readonly ca?: string | undefined
}

/** The fields of option tables for a server of this scheme. */
export function serverFields(scheme: string): { [K in keyof ServerOptions]-?: ZodType<ServerOptions[K]> } {
  return {
    url: url([scheme])
      .describe('Address of the server and name of the database.')
      .meta({ examples: [`${scheme}://localhost:${scheme === 'postgres' ? 5432 : 3306}/shop`] }),
    username: identifier().describe('User; it needs no more than to read.'),
    password: secret().optional().describe('Password.'),
    tls: z
      .strictObject({
        ca: z.string().optional().describe('PEM certificates to trust instead of the system’s.'),
      })
      .optional()
      .describe('Encrypts the connections. `tls: {}` uses the system’s certificates.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allows passwords and rows over an unencrypted connection to a host that is not loopback.'),
  }
}

/** What clients are told. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret
  readonly database: string
  readonly tls?: TlsOptions
}

/** @throws MillraceError `CONFIG` when the address has no database, or a password would travel in plain text. */
export function addressOf(options: ServerOptions, defaultPort: number): ServerAddress {
  const { url: text, username, password = new Secret(''), tls, allowPlaintext } = options
  const parsed = new URL(text)
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const database = decodeURIComponent(parsed.pathname.slice(1))
  if (database === '') {
    throw new MillraceError(`${text} names no database: write ${text.replace(/\/$/, '')}/database`, { code: 'CONFIG' })
  }
  if (tls === undefined && !allowPlaintext && !(isLoopback(host) || host === 'localhost')) {
    const message = `the password for ${host} would travel unencrypted: set \`tls: {}\`, or \`allowPlaintext: true\``
    throw new MillraceError(message, { code: 'CONFIG' })
  }
  const port = parsed.port === '' ? defaultPort : Number(parsed.port)
  return { host, port, user: username, password, database, ...(tls === undefined ? {} : { tls }) }
}
