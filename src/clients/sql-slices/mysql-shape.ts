import { MillraceError } from '../../core/errors.ts'
import type { SliceSession, TableAsk, TextRow } from './dialect.ts'
import { MYSQL_TEXT, splitMysqlName } from './mysql-text.ts'
import type { CellKind, KeyColumn, KeyKind, SliceColumn, TableShape } from './table-shape.ts'

/** One column of a table, from `information_schema.columns`. */
interface Field {
  readonly name: string
  readonly type: string
  /** With length, `unsigned`, `zerofill`. */
  readonly fullType: string
  readonly isNullable: boolean
  readonly defaultText: string
  readonly extra: string
}

/** What TiDB makes of its auto-increment columns; `undefined` elsewhere. */
export type NumbersOf = (session: SliceSession, tableSql: string) => Promise<string | undefined>

/** Reads what a table looks like from the information schema. */
export async function mysqlShape(session: SliceSession, ask: TableAsk, numbersDoubt: NumbersOf): Promise<TableShape> {
  const { text, tableSql } = MYSQL_TEXT
  const parts = splitMysqlName(ask.table)
  const place = `table_schema = ${parts.length > 1 ? text(parts[0] ?? '') : 'DATABASE()'} AND table_name = ${text(parts.at(-1) ?? '')}`
  const fields = (await session.rows(columnsSql(place))).map(fieldOf)
  if (fields.length === 0)
    throw unknown(`there is no table ${ask.table}`, 'Is it in another database? Write database.table.')
  const [estimate] = await session.rows(`SELECT COALESCE(table_rows, 0) FROM information_schema.tables WHERE ${place}`)
  const indexes = indexesOf(await session.rows(indexesSql(place)))
  const byName = new Map(fields.map((field) => [field.name.toLowerCase(), field]))
  const wanted = (ask.columns ?? fields.map(({ name }) => name)).map((column) => pick(byName, column, ask))
  const key = ask.column.map((column) => pick(byName, column, ask))
  const leading = key.map(({ name }) => name)
  const covers = (): boolean =>
    indexes.some(({ isUnique, columns }) => isUnique && columns.every((one) => key.some(({ name }) => name === one)))
  const primary = indexes.find(({ name }) => name === 'PRIMARY')
  if (!covers() && primary !== undefined) {
    key.push(...primary.columns.flatMap((one) => fields.filter(({ name }) => name === one && !leading.includes(one))))
  }
  const doubt = await numbersDoubt(session, tableSql(ask.table))
  return {
    table: ask.table,
    columns: wanted.map(columnOf),
    key: key.map((field) => keyColumnOf(field, doubt)),
    isUnique: covers(),
    isIndexed: indexes.some(({ columns }) => leading.every((one, index) => columns[index] === one)),
    rowsEstimate: Number(estimate?.[0] ?? 0),
  }
}

function columnsSql(place: string): string {
  return `SELECT column_name, data_type, column_type, is_nullable, COALESCE(column_default, ''), extra
FROM information_schema.columns WHERE ${place} ORDER BY ordinal_position`
}

function fieldOf([name, type, fullType, nullable, defaultText, extra]: TextRow): Field {
  return {
    name: name ?? '',
    type: (type ?? '').toLowerCase(),
    fullType: (fullType ?? '').toLowerCase(),
    isNullable: nullable === 'YES',
    defaultText: defaultText ?? '',
    extra: (extra ?? '').toLowerCase(),
  }
}

interface Index {
  readonly name: string
  /** Of all rows: none of its columns may be NULL, and all of their bytes count. */
  readonly isUnique: boolean
  readonly columns: readonly string[]
}

function indexesSql(place: string): string {
  return `SELECT index_name, non_unique, column_name, sub_part, nullable FROM information_schema.statistics
WHERE ${place} AND column_name IS NOT NULL ORDER BY index_name, seq_in_index`
}

function indexesOf(rows: readonly TextRow[]): Index[] {
  const byName = Map.groupBy(rows, ([name]) => name ?? '')
  return [...byName].map(([name, parts]) => ({
    name,
    isUnique: parts.every(
      ([, nonUnique, , subPart, nullable]) => nonUnique === '0' && subPart === null && nullable !== 'YES',
    ),
    columns: parts.map(([, , column]) => column ?? ''),
  }))
}

function pick(byName: ReadonlyMap<string, Field>, column: string, { table }: TableAsk): Field {
  const found = byName.get(column.toLowerCase())
  if (found !== undefined) return found
  const names = [...byName.values()].map(({ name }) => name)
  throw unknown(`the table ${table} has no column ${column}`, `It has ${names.join(', ')}.`)
}

function unknown(what: string, hint: string): MillraceError {
  return new MillraceError(`${what}. ${hint}`, { code: 'CONFIG' })
}

function columnOf(field: Field): SliceColumn {
  const quoted = MYSQL_TEXT.quote(field.name)
  const [type, cell, sql = quoted] = carried(field, quoted)
  return { name: field.name, sql, type, nullable: field.isNullable, cell }
}

/** The type of rows, the form of values, and the expression where the column itself will not do. */
function carried({ type, fullType }: Field, quoted: string): readonly [type: string, cell: CellKind, sql?: string] {
  // Without the zeros in front, which no number of JSON has.
  const number: [sql?: string] = fullType.includes('zerofill') ? [`(${quoted} + 0)`] : []
  const integers = fullType.includes('unsigned') ? UNSIGNED : SIGNED
  const integer = integers[type]
  if (integer !== undefined) return [integer, 'number', ...number]
  if (type === 'decimal') {
    const [, precision = '10', scale = '0'] = /\((\d+),(\d+)\)/.exec(fullType) ?? []
    return Number(precision) <= 38
      ? [`decimal(${precision},${scale})`, 'number', ...number]
      : ['varchar', 'text', ...number]
  }
  // By way of DOUBLE: the text of a FLOAT has six digits only.
  if (type === 'float') return ['float', 'number', `(${quoted} + 0e0)`]
  if (type === 'double') return ['double', 'number', ...number]
  if (type === 'year') return ['smallint', 'number', `(${quoted} + 0)`]
  if (type === 'bit') return ['ubigint', 'number', `(${quoted} + 0)`]
  if (type === 'date') return ['date', 'moment']
  if (type === 'datetime' || type === 'timestamp') return [`timestamp(${digitsOf(fullType)})`, 'moment']
  if (/^(?:binary|varbinary|tinyblob|blob|mediumblob|longblob)$/.test(type)) return ['blob', 'bytes']
  if (type === 'json') return ['json', 'json']
  if (type === 'uuid') return ['uuid', 'text']
  if (/^(?:geometry|point|linestring|polygon|multi\w+|geometrycollection|geomcollection)$/.test(type)) {
    return ['varchar', 'text', `ST_AsText(${quoted})`]
  }
  return ['varchar', 'text']
}

const SIGNED: Readonly<Record<string, string>> = {
  tinyint: 'tinyint',
  smallint: 'smallint',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'bigint',
}
/** The next wider signed type, where there is one. */
const UNSIGNED: Readonly<Record<string, string>> = {
  tinyint: 'smallint',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'bigint',
  bigint: 'ubigint',
}

function digitsOf(fullType: string): string {
  return /\((\d)\)/.exec(fullType)?.[1] ?? '0'
}

function keyColumnOf(field: Field, numbersDoubt: string | undefined): KeyColumn {
  const { name, fullType, isNullable } = field
  const kind = kindOf(field)
  const doubt = doubtOf(field, kind, numbersDoubt)
  const isAssigned = doubt === undefined
  return { name, nativeType: fullType, kind, nullable: isNullable, isAssigned, ...(isAssigned ? {} : { doubt }) }
}

function kindOf({ name, type }: Field): KeyKind {
  if (SIGNED[type] !== undefined) return 'integer'
  if (type === 'date' || type === 'datetime' || type === 'timestamp') return 'moment'
  if (/^(?:decimal|year|char|varchar|binary|varbinary|uuid)$/.test(type)) return 'other'
  throw unknown(`the column ${name} is a ${type}`, 'Slices need a column whose values have an exact order.')
}

/** What keeps values from being taken one after the other by the server inside of the writing statement. */
function doubtOf({ extra, defaultText }: Field, kind: KeyKind, numbersDoubt: string | undefined): string | undefined {
  if (kind === 'moment') {
    return /current_timestamp|curdate|now\(/i.test(defaultText)
      ? undefined
      : 'its default is not the time of the server'
  }
  if (kind === 'other') return 'a value of its type may come from anywhere'
  if (!extra.includes('auto_increment')) return numbersDoubt ?? 'it is no AUTO_INCREMENT'
  return numbersDoubt
}
