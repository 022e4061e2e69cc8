import { lookup as resolve, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import { forbiddenAddress, isLoopback } from '../../core/host-address.ts'

/** What libpq calls `sslmode`; `allow` is left out, since it prefers to talk in the clear. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

const SSL_MODES: readonly string[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']

export interface PgAddress {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sslMode: SslMode
}

/** Reads `postgres://host:5432/database?sslmode=verify-full`. */
export function parsePgAddress(text: string): PgAddress {
  const url = URL.parse(text)
  if (url === null || url.hostname === '') throw unusable(text, 'expected postgres://host:port/database')
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '' || database.includes('/')) throw unusable(text, 'it has to name one database behind the host')
  const sslMode = url.searchParams.get('sslmode') ?? 'prefer'
  if (!isSslMode(sslMode)) throw unusable(text, `sslmode has to be one of ${SSL_MODES.join(', ')}`)
  const [other] = [...url.searchParams.keys()].filter((key) => key !== 'sslmode')
  if (other !== undefined) throw unusable(text, `the parameter ${other} is not known; only sslmode is`)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: url.port === '' ? 5432 : Number(url.port), database, sslMode }
}

function isSslMode(text: string): text is SslMode {
  return SSL_MODES.includes(text)
}

function unusable(text: string, why: string): MillraceError {
  return new MillraceError(`the address ${JSON.stringify(text)} cannot be used: ${why}`, { code: 'CONFIG' })
}

/** Whether what travels to this address could be read by others. */
export function isExposed({ host, sslMode }: PgAddress): boolean {
  const isNear = host === 'localhost' || isLoopback(host)
  return !isNear && (sslMode === 'disable' || sslMode === 'prefer')
}

/** Refuses addresses where no database ever is, such as those of instance metadata services. */
export function assertAllowedHost(host: string): void {
  const why = isIP(host) === 0 ? undefined : forbiddenAddress(host)
  if (why !== undefined) throw refusal(host, host, why)
}

/** `dns.lookup` for sockets that fails when a name resolves to a refused address, so what was checked is what is used. */
export const guardedLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return done(error, '', 0)
    for (const { address } of found) {
      const why = forbiddenAddress(address)
      if (why !== undefined) return done(refusal(host, address, why), '', 0)
    }
    const [first] = found
    if (first === undefined) return done(new Error(`${host} has no address`), '', 0)
    if (options.all === true) return done(null, found)
    done(null, first.address, first.family)
  })
}

function refusal(host: string, address: string, why: string): MillraceError {
  const message = `connecting to Postgres at ${host}: ${address} is ${why}, which is never a database`
  return new MillraceError(message, { code: 'REDIRECT_DENIED', detail: { host, address } })
}
