import type { SliceDialect } from './dialect.ts'
import type { KeyColumn } from './table-shape.ts'

type DialectText = Pick<
  SliceDialect,
  'quote' | 'keyText' | 'tableSql' | 'literal' | 'text' | 'comparison' | 'streamed' | 'clockSql' | 'transactionSql'
>

/** How SQL is written for PostgreSQL. */
export const POSTGRES_TEXT: DialectText = {
  quote,
  tableSql: (table) => splitName(table).map(quote).join('.'),
  keyText: ({ name }) => `${quote(name)}::text`,
  literal,
  text,
  comparison: (columns, operator, values) => {
    const left = columns.map(({ name }) => quote(name))
    const right = columns.map((column, index) => literal(column, values[index] ?? ''))
    const isOne = left.length === 1
    return isOne ? `${left[0]} ${operator} ${right[0]}` : `(${left.join(', ')}) ${operator} (${right.join(', ')})`
  },
  streamed: (query) => `COPY (${query}) TO STDOUT`,
  clockSql,
  transactionSql: () => 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text',
}

/** `schema.table` or `table`; a part that has a point itself stands in quotes. */
export function splitName(table: string): string[] {
  return [...table.matchAll(/"((?:[^"]|"")+)"|([^".]+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  )
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

function literal({ nativeType }: KeyColumn, value: string): string {
  return `${text(value)}::${nativeType}`
}

/** Rows that begin later have `now()` of later: its fraction is rounded, at the most down to the second. */
function clockSql({ nativeType }: KeyColumn, lagMs: number, zone: string | undefined): string {
  const clock = `clock_timestamp() - interval '${lagMs} milliseconds'`
  const zoneSql = zone === undefined ? "(SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')" : text(zone)
  const now = /with time zone/.test(nativeType) ? clock : `((${clock}) AT TIME ZONE ${zoneSql})`
  if (nativeType === 'date') return `SELECT ${now}::date::text`
  const [, precision = '6'] = /\((\d)\)/.exec(nativeType) ?? []
  const unit = Number(precision) < 3 ? 'second' : Number(precision) < 6 ? 'milliseconds' : 'microseconds'
  return `SELECT date_trunc('${unit}', ${now})::${nativeType}::text`
}
