import type { Flavour, MysqlConnection } from '../../clients/mysql-replication/index.ts'

/** Values of the server's settings by name in lower case; those that it does not have are missing. */
export async function readSettings(
  connection: MysqlConnection,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await connection.query(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names.map((name) => `'${name}'`).join(', ')})`,
  )
  return new Map(rows.map(([name, value]) => [(name ?? '').toLowerCase(), value ?? '']))
}

/** For how long the server keeps its log, in seconds; undefined: until somebody purges it. */
export async function logKeptSeconds(connection: MysqlConnection): Promise<number | undefined> {
  const settings = await readSettings(connection, ['binlog_expire_logs_seconds', 'expire_logs_days'])
  const seconds = Number(settings.get('binlog_expire_logs_seconds') ?? 0)
  const days = Number(settings.get('expire_logs_days') ?? 0)
  const kept = seconds > 0 ? seconds : days * 86_400
  return kept > 0 ? kept : undefined
}

export interface WrongSetting {
  readonly message: string
  /** With the statements that set it right. */
  readonly hint: string
}

/** Settings that have to be so. `blobs` are the tables that are read and have columns which the row image NOBLOB leaves out. */
export function wrongSettings(
  flavour: Flavour,
  settings: ReadonlyMap<string, string>,
  blobs: readonly string[],
): WrongSetting[] {
  const wanted: readonly (readonly [name: string, value: string])[] = [
    ['log_bin', 'ON'],
    ['binlog_format', 'ROW'],
    ['binlog_row_image', 'FULL'],
    ['binlog_row_metadata', 'FULL'],
    ...(flavour === 'mysql' ? [['gtid_mode', 'ON'] as const] : []),
  ]
  return wanted.flatMap(([name, value]) => {
    const is = settings.get(name)?.toUpperCase()
    if (is === value) return []
    const hint = settingHint(flavour, name, value)
    if (name !== 'binlog_row_image' || is !== 'NOBLOB') {
      return [{ message: `${name} is ${is ?? 'not known to this server'}, it has to be ${value}`, hint }]
    }
    // Rows without texts, documents and bytes are whole in the log.
    if (blobs.length === 0) return []
    const named = blobs.slice(0, NAMED_MAX).join(', ') + (blobs.length > NAMED_MAX ? ', …' : '')
    const message = `binlog_row_image is NOBLOB: the log lacks TEXT, BLOB, JSON and geometry columns that a change leaves as they are, in ${named}`
    return [{ message, hint }]
  })
}

/** How a setting gets this value for good. */
export function settingHint(flavour: Flavour, name: string, value: string): string {
  if (name === 'log_bin') return 'Write log_bin into the server’s option file, and restart the server.'
  if (name === 'gtid_mode') {
    return (
      'SET PERSIST enforce_gtid_consistency = ON, then gtid_mode = OFF_PERMISSIVE, ON_PERMISSIVE and ON, one after the other; ' +
      'with replicas see “Enabling GTID Transactions Online” in the MySQL manual.'
    )
  }
  const set =
    flavour === 'mysql'
      ? `SET PERSIST ${name} = ${value}`
      : `SET GLOBAL ${name} = ${value}, and ${name} = ${value} in the server’s option file`
  return `${set}; then let applications connect anew, since open sessions keep the old value.`
}

/** Tables that are named in a message. */
const NAMED_MAX = 10

export const SETTINGS: readonly string[] = [
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'gtid_mode',
  'innodb_native_foreign_keys',
]
