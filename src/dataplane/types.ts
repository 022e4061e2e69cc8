import { MillraceError } from '../core/errors.ts'

/** A column of a relation. Names are compared byte by byte in JSON rows and without case in SQL. */
export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
}

export type IntegerName =
  | 'tinyint'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'hugeint'
  | 'utinyint'
  | 'usmallint'
  | 'uinteger'
  | 'ubigint'
  | 'uhugeint'

export type PlainName = 'boolean' | 'float' | 'double' | 'varchar' | 'json' | 'blob' | 'uuid' | 'date' | 'time'

/**
 * The types of columns, a subset of DuckDB's.
 *
 * `timestamp.precision` is the greatest number of fractional digits of a second (0–9); DuckDB stores 0 as seconds,
 * 1–3 as milliseconds, 4–6 as microseconds, 7–9 as nanoseconds. `timestamptz` and `time` have microseconds.
 */
export type ColumnType =
  | { readonly kind: 'integer'; readonly name: IntegerName }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'timestamp'; readonly precision: number }
  | { readonly kind: 'timestamptz' }
  | { readonly kind: PlainName }

/** Least and greatest value of each integer type. */
export const INTEGER_RANGES: Readonly<Record<IntegerName, readonly [bigint, bigint]>> = {
  tinyint: signed(8n),
  smallint: signed(16n),
  integer: signed(32n),
  bigint: signed(64n),
  hugeint: signed(128n),
  utinyint: unsigned(8n),
  usmallint: unsigned(16n),
  uinteger: unsigned(32n),
  ubigint: unsigned(64n),
  uhugeint: unsigned(128n),
}

function signed(bits: bigint): readonly [bigint, bigint] {
  return [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n]
}

function unsigned(bits: bigint): readonly [bigint, bigint] {
  return [0n, (1n << bits) - 1n]
}

/** Every spelling DuckDB knows for the types that we carry (`SELECT * FROM duckdb_types()`), without parameters. */
const SPELLINGS: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ...spellings({ kind: 'integer', name: 'tinyint' }, 'tinyint', 'int1'),
  ...spellings({ kind: 'integer', name: 'smallint' }, 'smallint', 'int2', 'int16', 'short'),
  ...spellings({ kind: 'integer', name: 'integer' }, 'integer', 'int', 'int4', 'int32', 'signed', 'integral'),
  ...spellings({ kind: 'integer', name: 'bigint' }, 'bigint', 'int8', 'int64', 'long', 'oid'),
  ...spellings({ kind: 'integer', name: 'hugeint' }, 'hugeint', 'int128'),
  ...spellings({ kind: 'integer', name: 'utinyint' }, 'utinyint', 'uint8'),
  ...spellings({ kind: 'integer', name: 'usmallint' }, 'usmallint', 'uint16'),
  ...spellings({ kind: 'integer', name: 'uinteger' }, 'uinteger', 'uint32'),
  ...spellings({ kind: 'integer', name: 'ubigint' }, 'ubigint', 'uint64'),
  ...spellings({ kind: 'integer', name: 'uhugeint' }, 'uhugeint', 'uint128'),
  ...spellings({ kind: 'boolean' }, 'boolean', 'bool', 'logical'),
  ...spellings({ kind: 'float' }, 'float', 'float4', 'real'),
  ...spellings({ kind: 'double' }, 'double', 'float8', 'double precision'),
  ...spellings({ kind: 'varchar' }, 'varchar', 'string', 'text', 'char', 'bpchar', 'nvarchar'),
  ...spellings({ kind: 'json' }, 'json'),
  ...spellings({ kind: 'blob' }, 'blob', 'bytea', 'binary', 'varbinary'),
  ...spellings({ kind: 'uuid' }, 'uuid', 'guid'),
  ...spellings({ kind: 'date' }, 'date'),
  ...spellings({ kind: 'time' }, 'time', 'time without time zone'),
  ...spellings({ kind: 'timestamp', precision: 0 }, 'timestamp_s'),
  ...spellings({ kind: 'timestamp', precision: 3 }, 'timestamp_ms'),
  ...spellings({ kind: 'timestamp', precision: 6 }, 'timestamp', 'datetime', 'timestamp_us'),
  ...spellings({ kind: 'timestamp', precision: 6 }, 'timestamp without time zone'),
  ...spellings({ kind: 'timestamp', precision: 9 }, 'timestamp_ns'),
  ...spellings({ kind: 'timestamptz' }, 'timestamptz', 'timestamp with time zone'),
])

function spellings(type: ColumnType, ...names: string[]): [string, ColumnType][] {
  return names.map((name) => [name, type])
}

/**
 * Reads a type as users and DuckDB write it (`decimal(12,2)`, `TIMESTAMP(3)`, `string`).
 *
 * @throws MillraceError `CONFIG` for anything else, with what to write in its place.
 */
export function parseColumnType(text: string): ColumnType {
  const match = /^\s*([a-z_0-9 ]+?)\s*(?:\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\))?\s*$/i.exec(text)
  if (match === null) throw refused(text)
  const name = (match[1] ?? '').toLowerCase().replace(/\s+/g, ' ')
  const first = match[2] === undefined ? undefined : Number(match[2])
  const second = match[3] === undefined ? undefined : Number(match[3])
  if (name === 'decimal' || name === 'numeric' || name === 'dec') return parseDecimal(text, first, second)
  const plain = SPELLINGS.get(name)
  if (plain === undefined || second !== undefined) throw refused(text)
  if (first === undefined) return plain
  if (plain.kind === 'varchar') return plain
  if (name === 'timestamp' && first <= 9) return { kind: 'timestamp', precision: first }
  throw refused(text)
}

function parseDecimal(text: string, precision = 18, scale = 3): ColumnType {
  const actualScale = /\(\s*\d+\s*\)/.test(text) ? 0 : scale
  if (precision < 1 || precision > 38 || actualScale > precision) throw refused(text)
  return { kind: 'decimal', precision, scale: actualScale }
}

function refused(text: string): MillraceError {
  return new MillraceError(
    `reading the column type ${JSON.stringify(text)}: this type is not supported. Use an SQL type such as bigint, ` +
      `decimal(12,2), timestamp(3), timestamptz, varchar, boolean, date, time, uuid, blob or json; ` +
      `lists, structs and maps travel as json, for example with to_json(x)`,
    { code: 'CONFIG' },
  )
}

/** The canonical text of a type; `parseColumnType` reads it back to the same value. */
export function formatColumnType(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
      return type.name
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'timestamp':
      return `timestamp(${type.precision})`
    default:
      return type.kind
  }
}

/** The type as DuckDB's SQL knows it. */
export function duckType(type: ColumnType): string {
  if (type.kind !== 'timestamp') return formatColumnType(type).toUpperCase()
  if (type.precision === 0) return 'TIMESTAMP_S'
  if (type.precision <= 3) return 'TIMESTAMP_MS'
  return type.precision <= 6 ? 'TIMESTAMP' : 'TIMESTAMP_NS'
}

/** True when both columns' names and types are the same, in order. */
export function sameColumns(left: readonly Column[], right: readonly Column[]): boolean {
  if (left.length !== right.length) return false
  return left.every((column, index) => {
    const other = right[index]
    return other !== undefined && other.name === column.name && duckType(other.type) === duckType(column.type)
  })
}
