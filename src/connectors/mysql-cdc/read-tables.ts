import { tableId, type SourceTable } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { MysqlConnection, TextRow } from '../../clients/mysql-replication/index.ts'
import { isWanted, type MysqlCdcOptions } from './options.ts'
import { shapeOfNative, type NativeColumn } from './table-shape.ts'

/** A table with what the server says of its columns. */
export interface FoundTable {
  readonly shape: SourceTable
  readonly columns: readonly NativeColumn[]
  /** Columns of the primary key in the order of its index; `shape.key` has them in the order of the table. */
  readonly keyOrder: readonly string[]
  /** As the server guesses. */
  readonly rows: number
  readonly rowBytes: number
}

/** The tables that are asked for and exist, in alphabetical order. */
export async function readTables(
  connection: MysqlConnection,
  options: MysqlCdcOptions,
  only?: { readonly database: string; readonly table: string },
): Promise<FoundTable[]> {
  const wanted = isWanted(options)
  const which =
    only === undefined
      ? ''
      : `AND TABLE_SCHEMA = ${textLiteral(only.database)} AND TABLE_NAME = ${textLiteral(only.table)} `
  const tables = await connection.query(
    'SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, AVG_ROW_LENGTH FROM information_schema.TABLES ' +
      `WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ${which}` +
      'ORDER BY TABLE_SCHEMA, TABLE_NAME',
  )
  const found = tables.filter(([database, name]) => wanted(database ?? '', name ?? ''))
  const result: FoundTable[] = []
  for (const [database, name, rows, rowBytes] of found) {
    const columns = await readColumns(connection, database ?? '', name ?? '', new Set(options.without))
    const key = await readKey(connection, database ?? '', name ?? '')
    result.push({
      shape: shapeOf(database ?? '', name ?? '', columns, key),
      columns,
      keyOrder: key,
      rows: Number(rows ?? 0),
      rowBytes: Number(rowBytes ?? 0),
    })
  }
  return result
}

function shapeOf(
  database: string,
  name: string,
  columns: readonly NativeColumn[],
  key: readonly string[],
): SourceTable {
  try {
    return {
      id: tableId(database, name),
      database,
      name,
      columns: columns.map(shapeOfNative),
      // In the order of the columns: that is how the log names them.
      key: columns.map((column) => column.name).filter((column) => key.includes(column)),
    }
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown
    throw new MillraceError(`table ${database}.${name}: ${thrown.message}`, { code: thrown.code, cause: thrown })
  }
}

async function readColumns(
  connection: MysqlConnection,
  database: string,
  table: string,
  without: ReadonlySet<string>,
): Promise<NativeColumn[]> {
  const rows = await connection.query(
    'SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE ' +
      `FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${textLiteral(database)} AND TABLE_NAME = ${textLiteral(table)} ` +
      'ORDER BY ORDINAL_POSITION',
  )
  return rows.map(nativeColumn).filter(({ name }) => !without.has(name))
}

function nativeColumn([name, dataType, columnType, nullable, characters, precision, scale]: TextRow): NativeColumn {
  return {
    name: name ?? '',
    dataType: (dataType ?? '').toLowerCase(),
    columnType: (columnType ?? '').toLowerCase(),
    isNullable: nullable === 'YES',
    characters: characters === null || characters === undefined ? undefined : Number(characters),
    precision: Number(precision ?? 0),
    scale: Number(scale ?? 0),
  }
}

async function readKey(connection: MysqlConnection, database: string, table: string): Promise<string[]> {
  const rows = await connection.query(
    `SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ${textLiteral(database)} ` +
      `AND TABLE_NAME = ${textLiteral(table)} AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`,
  )
  return rows.map(([name]) => name ?? '')
}

/** Any text in SQL: as hexadecimal digits nothing in it can end it. */
export function textLiteral(text: string): string {
  return text === '' ? "''" : `CONVERT(0x${Buffer.from(text).toString('hex')} USING utf8mb4)`
}
