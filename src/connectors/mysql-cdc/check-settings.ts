import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { flavourOf } from './connect.ts'

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

/** Settings that have to be so, with what to do about it. */
export function wrongSettings(connection: MysqlConnection, settings: ReadonlyMap<string, string>): string[] {
  const wanted: readonly (readonly [name: string, value: string])[] = [
    ['log_bin', 'ON'],
    ['binlog_format', 'ROW'],
    ['binlog_row_image', 'FULL'],
    ['binlog_row_metadata', 'FULL'],
    ...(flavourOf(connection) === 'mysql' ? [['gtid_mode', 'ON'] as const] : []),
  ]
  return wanted.flatMap(([name, value]) => {
    const is = settings.get(name)
    if (is?.toUpperCase() === value) return []
    return [`${name} is ${is ?? 'not known to this server'}, it has to be ${value}`]
  })
}

export const SETTINGS: readonly string[] = [
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'gtid_mode',
  'innodb_native_foreign_keys',
]
