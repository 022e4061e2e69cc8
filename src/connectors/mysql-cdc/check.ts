import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { retentionMs, safeDowntimeFindings } from '../../core/preflight-rules.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { logKeptSeconds, readSettings, SETTINGS, wrongSettings } from './check-settings.ts'
import { flavourOf, openConnection } from './connect.ts'
import type { MysqlCdcOptions } from './options.ts'
import { readTables, textLiteral, type FoundTable } from './read-tables.ts'
import { keyLiterals } from './snapshot-columns.ts'

/** Reachability, settings of the server, the tables and their keys, and whether the log is kept long enough. */
export async function checkMysqlCdc(options: MysqlCdcOptions, context: PreflightContext): Promise<readonly Finding[]> {
  try {
    await using connection = await openConnection(options)
    const settings = await readSettings(connection, SETTINGS)
    const found = await readTables(connection, options)
    return [
      ...wrongSettings(flavourOf(connection), settings, await blobTables(connection, found)).map(
        ({ message, hint }) => ({
          severity: 'error' as const,
          code: 'PREFLIGHT',
          message: `MySQL ${connection.version}: ${message}`,
          hint,
          path: ['url'],
        }),
      ),
      ...tableFindings(found, options),
      ...(await cascades(connection, found, settings)),
      ...(await retention(connection, context)),
    ]
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path: ['url'] }]
  }
}

/** Tables with columns that the row image NOBLOB leaves out; those in `without` are no exception. */
async function blobTables(connection: MysqlConnection, found: readonly FoundTable[]): Promise<string[]> {
  if (found.length === 0) return []
  const databases = [...new Set(found.map(({ shape }) => shape.database))]
  const rows = await connection.query(
    `SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS ` +
      `WHERE TABLE_SCHEMA IN (${databases.map(textLiteral).join(', ')}) ` +
      "AND DATA_TYPE REGEXP '^(.*text|.*blob|json|vector|geom.*|.*point|.*polygon|.*linestring)$'",
  )
  const ids = new Set(rows.map(([database, name]) => `${database}.${name}`))
  return found.map(({ shape }) => `${shape.database}.${shape.name}`).filter((id) => ids.has(id))
}

function tableFindings(found: readonly FoundTable[], options: MysqlCdcOptions): Finding[] {
  const path = [options.table === undefined ? 'tables' : 'table']
  if (found.length === 0) {
    const message = 'no table is there, or the user may read none'
    return [{ severity: options.table === undefined ? 'warning' : 'error', code: 'SCHEMA', message, path }]
  }
  if (options.start !== 'initial') return []
  return found.flatMap((table): Finding[] => {
    const { database, name } = table.shape
    if (table.keyOrder.length === 0) {
      const message = `table ${database}.${name} has no primary key: its initial rows cannot be read in parts`
      return [{ severity: 'error', code: 'SCHEMA', message, hint: 'Give it one, or use `start: latest`.', path }]
    }
    try {
      keyLiterals(table)
      return []
    } catch (thrown) {
      const { code, message } = toMillraceError(thrown)
      return [{ severity: 'error', code, message, path }]
    }
  })
}

/** Rows that a foreign key takes along are not in the log: InnoDB does it below the server (MySQL before 9.6, MariaDB). */
async function cascades(
  connection: MysqlConnection,
  found: readonly FoundTable[],
  settings: ReadonlyMap<string, string>,
): Promise<Finding[]> {
  // Only servers that log them have the setting, which turns that off.
  if (settings.get('innodb_native_foreign_keys') === 'OFF') return []
  const databases = [...new Set(found.map(({ shape }) => shape.database))]
  if (databases.length === 0) return []
  const rows = await connection.query(
    'SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS ' +
      `WHERE CONSTRAINT_SCHEMA IN (${databases.map(textLiteral).join(', ')}) ` +
      "AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL'))",
  )
  return rows
    .filter(([database, name]) => found.some(({ shape }) => shape.database === database && shape.name === name))
    .map(([database, name, constraint]) => ({
      severity: 'warning',
      code: 'PREFLIGHT',
      message:
        `table ${database}.${name}: what its foreign key ${constraint} deletes or changes by CASCADE or SET NULL is not in ` +
        'the log of this server, so those changes are not seen',
      hint: 'Let the application delete the rows, or use MySQL 9.6 or newer.',
    }))
}

async function retention(connection: MysqlConnection, { times }: PreflightContext): Promise<Finding[]> {
  const kept = await logKeptSeconds(connection)
  if (kept === undefined) return []
  const needed = retentionMs(times)
  const safe = safeDowntimeFindings(times, [
    { what: 'files of the binlog (binlog_expire_logs_seconds)', kind: 'retention', lifeMs: kept * 1000 },
  ])
  if (kept * 1000 >= needed) return safe
  return [
    ...safe,
    {
      severity: 'error',
      code: 'PREFLIGHT',
      message: `the server keeps its binlog for ${kept} s (binlog_expire_logs_seconds); ${needed / 1000} s are needed`,
      hint: 'Raise binlog_expire_logs_seconds, or lower checkpoint.maxDowntime.',
    },
  ]
}
