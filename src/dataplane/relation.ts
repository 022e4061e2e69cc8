import { jsonColumnsSql } from './json-columns.ts'
import { quoteName, quoteText } from './sql-text.ts'
import { duckType, type Column } from './types.ts'

/** What a query reads: a piece of bytes from the hand-over file, or something that lies in the lane's database. */
export type InputRelation =
  | { readonly format: 'ndjson'; readonly name: string; readonly columns: readonly Column[] }
  | { readonly format: 'csv'; readonly name: string; readonly columns: readonly Column[]; readonly csv: CsvDialect }
  | { readonly format: 'parquet'; readonly name: string; readonly columns: readonly Column[]; readonly path: string }
  | { readonly format: 'table'; readonly name: string; readonly columns: readonly Column[]; readonly table: string }

export interface CsvDialect {
  readonly separator: string
  /** The text that stands for NULL when it is not quoted. */
  readonly nullText: string
  /** Empty: nothing is quoted. */
  readonly quote: '' | '"'
  readonly lineEnd: '\n' | '\r\n'
}

/** One row of CSV: DuckDB keeps buffers of several times this size. */
export const CSV_ROW_BYTES_MAX: number = 2 * 1024 * 1024

/** `SELECT …` that gives the relation's columns in their types. */
export function relationSql(input: InputRelation, handOverPath: string): string {
  switch (input.format) {
    case 'ndjson':
      return `SELECT ${jsonColumnsSql(input.columns)} FROM read_parquet(${quoteText(handOverPath)})`
    case 'csv':
      return readCsv(input.columns, input.csv, handOverPath)
    case 'parquet':
      return `SELECT ${names(input.columns)} FROM read_parquet(${quoteText(input.path)})`
    case 'table':
      return `SELECT ${names(input.columns)} FROM ${quoteName(input.table)}`
  }
}

/** The same columns without a row, for planning. */
export function emptyRelationSql(columns: readonly Column[]): string {
  const nulls = columns.map(({ name, type }) => `CAST(NULL AS ${duckType(type)}) AS ${quoteName(name)}`)
  return `SELECT ${nulls.join(', ')} WHERE false`
}

function names(columns: readonly Column[]): string {
  return columns.map(({ name }) => quoteName(name)).join(', ')
}

/** DuckDB's names for line ends: the two characters of the escape, not the control character. */
const NEW_LINES = { '\n': '\\n', '\r\n': '\\r\\n' } as const

/** All columns are read as text; the cast is exact because the scanner has seen every value before. */
function readCsv(columns: readonly Column[], csv: CsvDialect, path: string): string {
  const typed = columns.map(({ name }) => `${quoteText(name)}: 'VARCHAR'`)
  const values = columns.map(({ name, type }) => {
    const column = quoteName(name)
    const value = type.kind === 'blob' ? `from_base64(${column})` : `CAST(${column} AS ${duckType(type)})`
    return `${value} AS ${column}`
  })
  return (
    `SELECT ${values.join(', ')} FROM read_csv(${quoteText(path)}, columns = {${typed.join(', ')}}, ` +
    `auto_detect = false, header = false, delim = ${quoteText(csv.separator)}, ` +
    `quote = ${quoteText(csv.quote)}, escape = ${quoteText(csv.quote)}, nullstr = ${quoteText(csv.nullText)}, ` +
    `allow_quoted_nulls = false, comment = '', new_line = ${quoteText(NEW_LINES[csv.lineEnd])}, strict_mode = true, null_padding = false, max_line_size = ${CSV_ROW_BYTES_MAX}, buffer_size = ${4 * CSV_ROW_BYTES_MAX})`
  )
}
