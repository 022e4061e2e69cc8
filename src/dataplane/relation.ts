import { metadataSql, type MetadataName } from './row-metadata.ts'
import { quoteName, quoteText } from './sql-text.ts'
import { duckType, type Column, type ColumnType } from './types.ts'

/** What a query reads: a piece of bytes from the hand-over file, or something that lies in the lane's database. */
export type InputRelation =
  | {
      readonly format: 'ndjson'
      readonly name: string
      readonly columns: readonly Column[]
      /** The rows were checked before, or made by us: the scanner is left out. */
      readonly isTrusted?: boolean
      /** Metadata that the SQL names; `Query.run` is then given it with each piece. */
      readonly metadata?: readonly MetadataName[]
    }
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

/** One row of JSON may be no longer than this: DuckDB's `maximum_object_size`. */
export const ROW_BYTES_MAX: number = 16 * 1024 * 1024

/** One row of CSV: DuckDB keeps buffers of several times this size. */
export const CSV_ROW_BYTES_MAX: number = 2 * 1024 * 1024

/** `SELECT …` that gives the relation's columns in their types. */
export function relationSql(input: InputRelation, handOverPath: string): string {
  switch (input.format) {
    case 'ndjson':
      return readJson(input.columns, input.metadata ?? [], handOverPath)
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

function readJson(columns: readonly Column[], metadata: readonly MetadataName[], path: string): string {
  const extra = metadataSql(metadata)
  const typed = columns.map(({ name, type }) => `${quoteText(name)}: ${quoteText(jsonWireType(type))}`)
  const values = columns.map(({ name, type }) => `${fromText(quoteName(name), type)} AS ${quoteName(name)}`)
  return (
    `SELECT ${[...values, ...extra.values].join(', ')} FROM read_ndjson(${quoteText(path)}, ` +
    `columns = {${[...typed, ...extra.types].join(', ')}}, ` +
    `auto_detect = false, maximum_object_size = ${ROW_BYTES_MAX})`
  )
}

/** JSON values and bytes travel as strings: DuckDB's own JSON reading would rewrite numbers inside of documents. */
function jsonWireType(type: ColumnType): string {
  return type.kind === 'json' || type.kind === 'blob' ? 'VARCHAR' : duckType(type)
}

function fromText(text: string, type: ColumnType): string {
  if (type.kind === 'json') return `CAST(${text} AS JSON)`
  if (type.kind === 'blob') return `from_base64(${text})`
  return text
}

/** DuckDB's names for line ends: the two characters of the escape, not the control character. */
const NEW_LINES = { '\n': '\\n', '\r\n': '\\r\\n' } as const

/** All columns are read as text; the cast is exact because the scanner has seen every value before. */
function readCsv(columns: readonly Column[], csv: CsvDialect, path: string): string {
  const typed = columns.map(({ name }) => `${quoteText(name)}: 'VARCHAR'`)
  const values = columns.map(({ name, type }) => {
    const column = quoteName(name)
    const value = type.kind === 'blob' ? fromText(column, type) : `CAST(${column} AS ${duckType(type)})`
    return `${value} AS ${column}`
  })
  return (
    `SELECT ${values.join(', ')} FROM read_csv(${quoteText(path)}, columns = {${typed.join(', ')}}, ` +
    `auto_detect = false, header = false, delim = ${quoteText(csv.separator)}, ` +
    `quote = ${quoteText(csv.quote)}, escape = ${quoteText(csv.quote)}, nullstr = ${quoteText(csv.nullText)}, ` +
    `allow_quoted_nulls = false, comment = '', new_line = ${quoteText(NEW_LINES[csv.lineEnd])}, strict_mode = true, null_padding = false, max_line_size = ${CSV_ROW_BYTES_MAX}, buffer_size = ${4 * CSV_ROW_BYTES_MAX})`
  )
}
