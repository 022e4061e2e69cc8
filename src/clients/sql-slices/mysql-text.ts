import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SliceDialect } from './dialect.ts'
import type { KeyColumn } from './table-shape.ts'

type DialectText = Pick<
  SliceDialect,
  'quote' | 'keyText' | 'tableSql' | 'literal' | 'text' | 'comparison' | 'streamed' | 'clockSql' | 'transactionSql'
>

/** How SQL is written for MySQL, MariaDB and TiDB. */
export const MYSQL_TEXT: DialectText = {
  quote,
  keyText: ({ name }) => quote(name),
  tableSql: (table, asOf) => {
    const name = splitMysqlName(table).map(quote).join('.')
    return asOf === undefined ? name : `${name} AS OF TIMESTAMP TIDB_PARSE_TSO(${asOf})`
  },
  literal,
  text,
  comparison,
  streamed: (query) => query,
  clockSql,
  transactionSql: noTransactions,
}

function noTransactions(): string {
  throw new MillraceError('no column of MySQL numbers transactions', { code: 'INTERNAL' })
}

/** `database.table` or `table`; a part that has a point itself stands in backticks. */
export function splitMysqlName(table: string): string[] {
  return [...table.matchAll(/`((?:[^`]|``)+)`|([^`.]+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('``', '`'),
  )
}

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** Backslashes escape: sessions are set up without NO_BACKSLASH_ESCAPES. */
function text(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

function literal({ nativeType }: KeyColumn, value: string): string {
  const isNumber = /^(?:tinyint|smallint|mediumint|int|bigint|decimal|year)/.test(nativeType)
  if (isNumber && /^-?\d+(?:\.\d+)?$/.test(value)) return value
  if (/^(?:var)?binary/.test(nativeType) && /^(?:[0-9a-f]{2})*$/i.test(value)) return `X'${value}'`
  const isPlain = /^[\d :.-]+$/.test(value)
  if (nativeType === 'date' && isPlain) return `DATE'${value}'`
  if (/^(?:datetime|timestamp)/.test(nativeType) && isPlain) return `TIMESTAMP'${value}'`
  return text(value)
}

/** Spelt out: MySQL finds no range of an index for a comparison of rows. */
function comparison(
  columns: readonly KeyColumn[],
  operator: '<' | '<=' | '>' | '>=',
  values: readonly string[],
): string {
  const strict = operator.startsWith('<') ? '<' : '>'
  const from = (index: number): string => {
    const column = columns[index]
    assert(column !== undefined, 'a comparison has a column')
    const name = quote(column.name)
    const value = literal(column, values[index] ?? '')
    if (index === columns.length - 1) return `${name} ${operator} ${value}`
    return `(${name} ${strict} ${value} OR (${name} = ${value} AND ${from(index + 1)}))`
  }
  const [first] = columns
  if (first === undefined || columns.length === 1) return from(0)
  return `${quote(first.name)} ${strict}= ${literal(first, values[0] ?? '')} AND ${from(0)}`
}

/**
 * TIMESTAMP columns are read in UTC. What fills a DATETIME is the clock of the writer's zone: the server's, unless said
 * otherwise. Fractions are rounded when they are stored, at the most down to what is left here.
 */
function clockSql({ nativeType }: KeyColumn, lagMs: number, zone: string | undefined): string {
  const utc = `UTC_TIMESTAMP(6) - INTERVAL ${lagMs * 1000} MICROSECOND`
  const zoneSql = zone === undefined ? '@@global.time_zone' : text(zone)
  const isUtc = nativeType.startsWith('timestamp')
  const now = isUtc ? utc : `CONVERT_TZ(${utc}, '+00:00', ${zoneSql})`
  if (nativeType === 'date') return `SELECT DATE_FORMAT(${now}, '%Y-%m-%d')`
  const [, digits = '0'] = /\((\d)\)/.exec(nativeType) ?? []
  const length = 'YYYY-MM-DD HH:MM:SS'.length + (digits === '0' ? 0 : 1 + Number(digits))
  return `SELECT LEFT(DATE_FORMAT(${now}, '%Y-%m-%d %H:%i:%s.%f'), ${length})`
}
