import type { TableColumn } from '../../../core/changes.ts'
import { MillraceError } from '../../../core/errors.ts'

/** What the two servers have in common but the details. */
export type TableDialect = 'starrocks' | 'doris'

/** Bytes of the longest VARCHAR. Longer texts are STRING. */
const VARCHAR_MAX: Readonly<Record<TableDialect, number>> = { starrocks: 1_048_576, doris: 65_533 }

/** An unsigned type becomes the next wider signed one; texts count bytes, at most four for a character. */
const PLAIN: Readonly<Record<string, string>> = {
  boolean: 'BOOLEAN',
  tinyint: 'TINYINT',
  smallint: 'SMALLINT',
  integer: 'INT',
  int: 'INT',
  bigint: 'BIGINT',
  hugeint: 'LARGEINT',
  utinyint: 'SMALLINT',
  usmallint: 'INT',
  uinteger: 'BIGINT',
  ubigint: 'LARGEINT',
  uhugeint: 'VARCHAR(40)',
  float: 'FLOAT',
  real: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  json: 'JSON',
  uuid: 'VARCHAR(36)',
  // Durations of the source may be negative or longer than a day, which no type of the target holds.
  time: 'VARCHAR(20)',
  interval: 'VARCHAR(64)',
}

/** Types that a key column may not have in the target. */
const NO_KEYS = new Set(['FLOAT', 'DOUBLE', 'JSON'])

/** The type of a column that is made in the target. */
export function targetType(column: TableColumn, isKey: boolean, dialect: TableDialect): string {
  const type = typeOf(column, isKey, dialect)
  if (!isKey || !NO_KEYS.has(type)) return type
  throw new MillraceError(
    `the key column ${column.name} is ${column.native ?? column.type}, which cannot be a key there: name another \`key\` in the route`,
    { code: 'SCHEMA', detail: { column: column.name } },
  )
}

function typeOf(column: TableColumn, isKey: boolean, dialect: TableDialect): string {
  const [, name = '', inside = ''] = /^\s*([a-z]+)[^(]*(?:\(([^)]*)\))?/.exec(column.type.toLowerCase()) ?? []
  const plain = PLAIN[name]
  if (plain !== undefined) return plain
  const numbers = inside.split(',').map(Number)
  if (name === 'decimal' || name === 'numeric') return decimalType(numbers, isKey)
  // DuckDB writes a time zone behind the precision.
  if (name === 'timestamp' || name === 'timestamptz' || name === 'datetime') {
    return dialect === 'starrocks' ? 'DATETIME' : `DATETIME(${Math.min(6, inside === '' ? 6 : (numbers[0] ?? 6))})`
  }
  return textType(name === 'blob' ? undefined : column.length, isKey, dialect)
}

/** A decimal is no key; its text is one. */
function decimalType([precision = 18, scale = 0]: readonly number[], isKey: boolean): string {
  return isKey ? `VARCHAR(${precision + 3})` : `DECIMAL(${precision},${scale})`
}

function textType(length: number | undefined, isKey: boolean, dialect: TableDialect): string {
  const max = VARCHAR_MAX[dialect]
  if (length !== undefined && length * 4 <= max) return `VARCHAR(${Math.max(1, length * 4)})`
  return isKey ? 'VARCHAR(65533)' : 'STRING'
}

/** A type as the server's DESC may spell it and as we write it, in one spelling. */
export function sameType(left: string, right: string): boolean {
  return spelled(left) === spelled(right)
}

function spelled(type: string): string {
  const text = type.toLowerCase().replaceAll(/\s+/g, '')
  return text
    .replace(/^(decimal)(v[23]|32|64|128)/, '$1')
    .replace(/^(date|datetime)v2/, '$1')
    .replace(/^(tinyint|smallint|int|bigint|largeint)\(\d+\)$/, '$1')
    .replace(/^(text|string|varchar\((65533|1048576|\*)\)|varchar)$/, 'string')
    .replace(/^jsonb$/, 'json')
}
