import { lookup } from 'node:dns'
import { guardAddresses, type AddressGuard } from '../../core/address-guard.ts'
import { MillraceError } from '../../core/errors.ts'
import { isLoopback } from '../../core/host-address.ts'

/** What libpq calls `sslmode`; `allow` is left out, since it prefers to talk in the clear. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

const SSL_MODES: readonly string[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']

export interface PgAddress {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sslMode: SslMode
}

/**
 * Reads `postgres://host:5432/database?sslmode=verify-full`. Without `sslmode` the server has to prove who it is, except on
 * this machine, where TLS is used if there is any.
 */
export function parsePgAddress(text: string): PgAddress {
  const url = URL.parse(text)
  if (url === null || url.hostname === '') throw unusable(text, 'expected postgres://host:port/database')
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '' || database.includes('/')) throw unusable(text, 'it has to name one database behind the host')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const sslMode = url.searchParams.get('sslmode') ?? (isNear(host) ? 'prefer' : 'verify-full')
  if (!isSslMode(sslMode)) throw unusable(text, `sslmode has to be one of ${SSL_MODES.join(', ')}`)
  const [other] = [...url.searchParams.keys()].filter((key) => key !== 'sslmode')
  if (other !== undefined) throw unusable(text, `the parameter ${other} is not known; only sslmode is`)
  return { host, port: url.port === '' ? 5432 : Number(url.port), database, sslMode }
}

function isSslMode(text: string): text is SslMode {
  return SSL_MODES.includes(text)
}

function unusable(text: string, why: string): MillraceError {
  return new MillraceError(`the address ${JSON.stringify(text)} cannot be used: ${why}`, { code: 'CONFIG' })
}

/** What others could do with what travels to this address. */
export function exposureOf({ host, sslMode }: PgAddress): 'plain' | 'unverified' | undefined {
  if (isNear(host)) return undefined
  if (sslMode === 'disable' || sslMode === 'prefer') return 'plain'
  return sslMode === 'require' ? 'unverified' : undefined
}

function isNear(host: string): boolean {
  return host === 'localhost' || isLoopback(host)
}

export const addressGuard: AddressGuard = guardAddresses(lookup, (host) => `Postgres at ${host}`, 'a database')
