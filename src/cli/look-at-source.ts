import { MillraceError } from '../core/errors.ts'
import type { MirrorAddress, SourceKind } from './mirror-address.ts'

export interface FoundTable {
  readonly database: string
  readonly name: string
  /** Columns of the primary key. */
  readonly key: readonly string[]
  /** As the server estimates. */
  readonly rows: number
}

export interface SourceLook {
  readonly tables: readonly FoundTable[]
  /** What has to be set on the server before its changes can be read. */
  readonly problems: readonly string[]
}

type Cells = readonly (string | null)[]

/** A row for each column of a primary key, and one for a table without. */
const MYSQL_TABLES = `
  SELECT t.TABLE_SCHEMA, t.TABLE_NAME, COALESCE(t.TABLE_ROWS, 0), k.COLUMN_NAME
  FROM information_schema.TABLES t
  LEFT JOIN information_schema.KEY_COLUMN_USAGE k
    ON k.TABLE_SCHEMA = t.TABLE_SCHEMA AND k.TABLE_NAME = t.TABLE_NAME AND k.CONSTRAINT_NAME = 'PRIMARY'
  WHERE t.TABLE_TYPE = 'BASE TABLE'
    AND t.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
  ORDER BY t.TABLE_SCHEMA, t.TABLE_NAME, k.ORDINAL_POSITION`

const POSTGRES_TABLES = `
  SELECT n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, a.attname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
  WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  ORDER BY n.nspname, c.relname, array_position(i.indkey::int2[], a.attnum)`

/** Settings that reading the binlog needs, with their values. */
const MYSQL_SETTINGS: Readonly<Record<string, string>> = {
  log_bin: 'ON',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  binlog_row_metadata: 'FULL',
}

/** Tables of the source, and whether its changes can be read. Changes nothing. */
export async function lookAtSource(address: MirrorAddress<SourceKind>): Promise<SourceLook> {
  return address.connector === 'mysql-cdc' ? lookAtMysql(address) : lookAtPostgres(address)
}

async function lookAtMysql(address: MirrorAddress<SourceKind>): Promise<SourceLook> {
  const { MysqlConnection } = await import('../clients/mysql/index.ts')
  const { settingHint } = await import('../connectors/mysql-cdc/check-settings.ts')
  const { host, port, user, password, isPlain, database } = address
  const connection = await MysqlConnection.open({ host, port, user, password, ...(isPlain ? {} : { tls: {} }) })
  try {
    const { rows } = await connection.query(MYSQL_TABLES, 'listing tables')
    const names = Object.keys(MYSQL_SETTINGS).map((name) => `'${name}'`)
    const settings = await connection.query(`SHOW VARIABLES WHERE Variable_name IN (${names.join(', ')})`, 'looking')
    const is = new Map(textRows(settings.rows).map(([name, value]) => [name, value]))
    const problems = Object.entries(MYSQL_SETTINGS)
      .filter(([name, wanted]) => is.get(name)?.toUpperCase() !== wanted)
      .map(([name, wanted]) => {
        const hint = settingHint(connection.server.flavour === 'mariadb' ? 'mariadb' : 'mysql', name, wanted)
        return `${name} has to be ${wanted}, and is ${is.get(name) ?? 'unknown'}: ${hint.replace(/\.$/, '')}`
      })
    return { tables: tablesOf(textRows(rows), database), problems }
  } finally {
    await connection.close()
  }
}

async function lookAtPostgres(address: MirrorAddress<SourceKind>): Promise<SourceLook> {
  const { PostgresConnection } = await import('../clients/postgres/index.ts')
  const { host, port, user, password, isPlain, database, parameters } = address
  if (database === undefined)
    throw new MillraceError('--from: name the database: postgres://user@host/database', { code: 'CONFIG' })
  const isEncrypted = !isPlain && parameters.get('sslmode') !== 'disable'
  const connection = await PostgresConnection.open({
    host,
    port,
    user,
    password,
    database,
    ...(isEncrypted ? { tls: {} } : {}),
  })
  try {
    const { rows } = await connection.query(POSTGRES_TABLES, 'listing tables')
    const level = await connection.query('SHOW wal_level', 'looking')
    const is = level.rows[0]?.[0]
    const problems = is === 'logical' ? [] : [`wal_level has to be logical, and is ${is ?? 'unknown'}`]
    return { tables: tablesOf(rows, undefined), problems }
  } finally {
    await connection.close()
  }
}

function tablesOf(rows: readonly Cells[], only: string | undefined): FoundTable[] {
  const found = rows.filter(([database]) => only === undefined || database === only)
  return [...Map.groupBy(found, ([database, name]) => JSON.stringify([database, name])).values()].map((columns) => {
    const [database, name, count] = columns[0] ?? []
    const key = columns.flatMap(([, , , column]) => (column === null || column === undefined ? [] : [column]))
    return { database: database ?? '', name: name ?? '', rows: Number(count ?? 0), key }
  })
}

function textRows(rows: readonly (readonly unknown[])[]): Cells[] {
  return rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? null : String(cell))))
}
