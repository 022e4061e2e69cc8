import { isLoopback } from '../core/host-address.ts'
import { MillraceError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'

export type SourceKind = 'mysql-cdc' | 'postgres-cdc'
export type WarehouseKind = 'starrocks' | 'doris'
export type SqlKind = 'mysql' | 'tidb' | 'postgres'

/** One side of a mirror, as `--from` or `--to` names it. */
export interface MirrorAddress<K extends string> {
  readonly connector: K
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret
  /** Name of the variable that holds the password, here and in the pipeline file. */
  readonly variable: string
  readonly database: string | undefined
  /** Without encryption: only to this machine, or where the address says `?allowPlaintext=true`. */
  readonly isPlain: boolean
  readonly parameters: URLSearchParams
}

export type TargetAddress = MirrorAddress<WarehouseKind> | MirrorAddress<SqlKind>

const SOURCES: Readonly<Record<string, readonly [SourceKind, port: number, variable: string]>> = {
  'mysql:': ['mysql-cdc', 3306, 'MYSQL_PASSWORD'],
  'mariadb:': ['mysql-cdc', 3306, 'MYSQL_PASSWORD'],
  'postgres:': ['postgres-cdc', 5432, 'POSTGRES_PASSWORD'],
  'postgresql:': ['postgres-cdc', 5432, 'POSTGRES_PASSWORD'],
}
const TARGETS: Readonly<Record<string, readonly [WarehouseKind | SqlKind, port: number, variable: string]>> = {
  'starrocks:': ['starrocks', 8030, 'STARROCKS_PASSWORD'],
  'doris:': ['doris', 8030, 'DORIS_PASSWORD'],
  // Another name than that of a source on such a server.
  'mysql:': ['mysql', 3306, 'TARGET_PASSWORD'],
  'mariadb:': ['mysql', 3306, 'TARGET_PASSWORD'],
  'tidb:': ['tidb', 4000, 'TARGET_PASSWORD'],
  'postgres:': ['postgres', 5432, 'TARGET_PASSWORD'],
  'postgresql:': ['postgres', 5432, 'TARGET_PASSWORD'],
}

export function isAddress(text: unknown): text is string {
  return typeof text === 'string' && text.includes('://')
}

export function sourceAddress(text: string, environment: NodeJS.ProcessEnv): MirrorAddress<SourceKind> {
  return addressOf('--from', text, SOURCES, environment)
}

export function targetAddress(text: string, environment: NodeJS.ProcessEnv): TargetAddress {
  return addressOf('--to', text, TARGETS, environment) as TargetAddress
}

export function isWarehouse(address: TargetAddress): address is MirrorAddress<WarehouseKind> {
  return address.connector === 'starrocks' || address.connector === 'doris'
}

/** `host:port`, as addresses have it. */
export function authorityOf({ host, port }: Pick<MirrorAddress<string>, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function addressOf<K extends string>(
  option: string,
  text: string,
  kinds: Readonly<Record<string, readonly [K, number, string]>>,
  environment: NodeJS.ProcessEnv,
): MirrorAddress<K> {
  const url = URL.parse(text)
  const kind = url === null ? undefined : kinds[url.protocol]
  if (url === null || kind === undefined || url.hostname === '') {
    const known = Object.keys(kinds).map((one) => `${one}//user@host:port/database`)
    throw refused(`${option}: this is no address of ${known.join(' or ')}`)
  }
  const [connector, port, variable] = kind
  if (url.password !== '') {
    throw refused(
      `${option}: a password in an address can be seen by everybody on this machine; put it into ${variable}`,
    )
  }
  const host = url.hostname.replaceAll(/^\[|\]$/g, '')
  return {
    connector,
    host,
    port: url.port === '' ? port : Number(url.port),
    user: url.username === '' ? 'root' : decodeURIComponent(url.username),
    password: new Secret(environment[variable] ?? ''),
    variable,
    database: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : undefined,
    isPlain: isLoopback(host) || host === 'localhost' || url.searchParams.get('allowPlaintext') === 'true',
    parameters: url.searchParams,
  }
}

function refused(message: string): MillraceError {
  return new MillraceError(message, { code: 'CONFIG' })
}
