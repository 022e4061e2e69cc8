import { createHash } from 'node:crypto'
import { tableId, type SourceTable, type TableColumn } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import { TYPE, type Charsets, type MappedColumn, type TableMap } from '../../clients/mysql-replication/index.ts'

/** What the rest of the program calls a column's type, and its length in characters where it is limited. */
interface ColumnShape {
  readonly type: string
  readonly length?: number
}

const WHOLE: Readonly<Record<string, readonly [signed: string, unsigned: string]>> = {
  tinyint: ['tinyint', 'utinyint'],
  smallint: ['smallint', 'usmallint'],
  mediumint: ['integer', 'uinteger'],
  int: ['integer', 'uinteger'],
  bigint: ['bigint', 'ubigint'],
}

const PLAIN: Readonly<Record<string, string>> = {
  float: 'float',
  double: 'double',
  year: 'integer',
  date: 'date',
  datetime: 'timestamp',
  timestamp: 'timestamp',
  // Its range is far beyond a day, and negative too.
  time: 'varchar',
  tinytext: 'varchar',
  text: 'varchar',
  mediumtext: 'varchar',
  longtext: 'varchar',
  enum: 'varchar',
  set: 'varchar',
  json: 'json',
  binary: 'blob',
  varbinary: 'blob',
  tinyblob: 'blob',
  blob: 'blob',
  mediumblob: 'blob',
  longblob: 'blob',
  vector: 'blob',
}

const GEOMETRY =
  /^(geometry|point|linestring|polygon|multipoint|multilinestring|multipolygon|geometrycollection|geomcollection)$/

/** Decimals of more digits than any store has are text, never a number that rounds. */
const DECIMAL_DIGITS_MAX = 38

function decimalType(precision: number, scale: number): string {
  return precision <= DECIMAL_DIGITS_MAX ? `decimal(${precision},${scale})` : 'varchar'
}

function bitType(bits: number): string {
  return bits < 64 ? 'bigint' : 'ubigint'
}

/** A column as `information_schema.COLUMNS` has it. */
export interface NativeColumn {
  readonly name: string
  /** `int`, `varchar` … */
  readonly dataType: string
  /** `int(10) unsigned`, `enum('a','b')` … */
  readonly columnType: string
  readonly isNullable: boolean
  readonly characters: number | undefined
  readonly precision: number
  readonly scale: number
}

export function shapeOfNative(column: NativeColumn): TableColumn {
  const { name, isNullable, columnType } = column
  return { name, nullable: isNullable, native: columnType, ...nativeShape(column) }
}

function nativeShape({ name, dataType, columnType, characters, precision, scale }: NativeColumn): ColumnShape {
  const whole = WHOLE[dataType]
  if (whole !== undefined) return { type: whole[/unsigned/.test(columnType) ? 1 : 0] }
  if (dataType === 'decimal') return { type: decimalType(precision, scale) }
  if (dataType === 'bit') return { type: bitType(precision) }
  if (dataType === 'char' || dataType === 'varchar') {
    return { type: 'varchar', ...(characters === undefined ? {} : { length: characters }) }
  }
  const type = GEOMETRY.test(dataType) ? 'blob' : PLAIN[dataType]
  if (type !== undefined) return { type }
  throw new MillraceError(
    `column ${name}: values of the type ${columnType} cannot be read. Leave the column out with \`without\``,
    { code: 'SCHEMA', detail: { column: name, type: columnType } },
  )
}

/** The shape that a table has in the log. The same columns as `shapeOfNative` gives, `native` apart. */
export function shapeOfMap(map: TableMap, charsets: Charsets, without: ReadonlySet<string>): SourceTable {
  const columns = map.columns.filter(({ name }) => !without.has(name))
  return {
    id: tableId(map.database, map.table),
    database: map.database,
    name: map.table,
    columns: columns.map((column) => ({
      name: column.name,
      nullable: column.isNullable,
      ...mappedShape(column, charsets),
    })),
    key: columns.filter(({ isKey }) => isKey).map(({ name }) => name),
  }
}

function mappedShape(column: MappedColumn, charsets: Charsets): ColumnShape {
  const whole = (name: keyof typeof WHOLE): ColumnShape => ({ type: WHOLE[name]?.[column.isUnsigned ? 1 : 0] ?? name })
  const isBinary = column.collation === 63
  switch (column.type) {
    case TYPE.tiny:
      return whole('tinyint')
    case TYPE.short:
      return whole('smallint')
    case TYPE.int24:
    case TYPE.long:
      return whole('int')
    case TYPE.longlong:
      return whole('bigint')
    case TYPE.float:
      return { type: 'float' }
    case TYPE.double:
      return { type: 'double' }
    case TYPE.newdecimal:
      return { type: decimalType(column.metadata >> 8, column.metadata & 0xff) }
    case TYPE.bit:
      return { type: bitType(column.metadata) }
    case TYPE.year:
      return { type: 'integer' }
    case TYPE.date:
    case TYPE.newdate:
      return { type: 'date' }
    case TYPE.timestamp:
    case TYPE.timestamp2:
    case TYPE.datetime2:
      return { type: 'timestamp' }
    case TYPE.json:
      return { type: 'json' }
    case TYPE.varchar:
    case TYPE.varString:
    case TYPE.string:
      if (isBinary) return { type: 'blob' }
      return { type: 'varchar', length: Math.floor(column.metadata / charsets.bytesMax(column.collation)) }
    case TYPE.blob:
      return { type: isBinary ? 'blob' : 'varchar' }
    case TYPE.geometry:
    case TYPE.vector:
      return { type: 'blob' }
    default:
      return { type: 'varchar' }
  }
}

/** A short text that is the same for equal shapes: names and types of the columns, in their order, and the key. */
export function shapeDigest({ columns, key }: SourceTable): string {
  const words = [...columns.map(({ name, type }) => `${name} ${type}`), ...key]
  return createHash('sha256').update(words.join('\0')).digest('base64url').slice(0, 12)
}
