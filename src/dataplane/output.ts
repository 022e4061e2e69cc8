import { quoteName, quoteText } from './sql-text.ts'
import type { Column } from './types.ts'

/** What becomes of NaN and infinite numbers on the way out. `keep` is for Parquet and tables, which can hold them. */
export type NonFinite = 'refuse' | 'null' | 'keep'

/** `offset`: `2024-05-06 07:08:09+00`. `utc`: the same moment without the offset, for stores without zones. */
export type ZoneText = 'offset' | 'utc'

export type QueryOutput =
  | {
      /** Rows end in `\n` (`ndjson`) or in `,` (`json-array`, to be framed by the loader). */
      readonly format: 'ndjson' | 'json-array'
      readonly nonFinite?: 'refuse' | 'null'
      readonly timestamptz?: ZoneText
    }
  | {
      readonly format: 'csv'
      /** One to four bytes. Rows end in `\n`. */
      readonly separator: string
      readonly nullText: string
      /**
       * `refuse`: values that hold the separator, a line end or equal the NULL text are row errors.
       * `quote`: such values are put in `"`, and a `"` inside is doubled.
       */
      readonly special: 'refuse' | 'quote'
      readonly nonFinite?: 'refuse' | 'null'
      readonly timestamptz?: ZoneText
    }
  | {
      readonly format: 'parquet'
      readonly compression: 'snappy' | 'zstd' | 'uncompressed'
      readonly metadata?: Readonly<Record<string, string>>
      /** Columns with more different values get no dictionary. DuckDB's own limit is a fifth of a row group. */
      readonly dictionaryValuesMax?: number
      /** `false`: none. */
      readonly bloomFilters?: boolean
    }
  /** Finished text: the one column, which is varchar, as it is, each row followed by `\n`. */
  | { readonly format: 'lines' }
  /** The rows stay in the lane's database as a temporary table of this name, replaced by every run. */
  | { readonly format: 'table'; readonly table: string }

/**
 * A quote that is so unlikely in data that its absence in the result proves that nothing had to be quoted: DuckDB puts
 * it around every value that holds the separator, a line end, the quote itself or equals the NULL text.
 */
export const SENTINEL_QUOTE = '\x02'

/** Raised inside a query by `error()`; what follows is the name of the column. */
export const NOT_FINITE = 'millrace-not-finite:'

/** The COPY statement (or INSERT for a table) that writes the rows of `select`. */
export function outputSql(select: string, columns: readonly Column[], output: QueryOutput, path: string): string {
  const to = quoteText(path)
  switch (output.format) {
    case 'ndjson':
    case 'json-array':
      return columns.some(needsText)
        ? `COPY (SELECT ${jsonText(columns, output)} FROM (${select})) TO ${to} (${RAW_LINES})`
        : `COPY (SELECT ${textValues(columns, output)} FROM (${select})) TO ${to} (FORMAT json, USE_TMP_FILE false)`
    case 'lines':
      return `COPY (${select}) TO ${to} (${RAW_LINES})`
    case 'csv':
      return csvSql(select, columns, output, path, output.special === 'quote' ? '"' : SENTINEL_QUOTE)
    case 'parquet':
      return `COPY (SELECT ${parquetValues(columns)} FROM (${select})) TO ${to} (${parquetOptions(output)})`
    case 'table':
      return `CREATE OR REPLACE TEMP TABLE ${quoteName(output.table)} AS ${select}`
  }
}

/** One column of finished lines, written as they are. */
const RAW_LINES = `FORMAT csv, HEADER false, DELIMITER '${SENTINEL_QUOTE}', QUOTE '', ESCAPE '', USE_TMP_FILE false`

export function csvSql(
  select: string,
  columns: readonly Column[],
  output: QueryOutput & { format: 'csv' },
  path: string,
  quote: string,
): string {
  return (
    `COPY (SELECT ${textValues(columns, output)} FROM (${select})) TO ${quoteText(path)} (FORMAT csv, HEADER false, ` +
    `DELIMITER ${quoteText(output.separator)}, NULLSTR ${quoteText(output.nullText)}, ` +
    `QUOTE ${quoteText(quote)}, ESCAPE ${quoteText(quote)}, USE_TMP_FILE false)`
  )
}

/** Rows whose values the CSV form cannot carry. */
export function csvUncarriableSql(
  select: string,
  columns: readonly Column[],
  output: QueryOutput & { format: 'csv' },
): string {
  const bad = columns
    .filter(({ type }) => type.kind === 'varchar' || type.kind === 'json')
    .flatMap(({ name }) => {
      const text = `CAST(${quoteName(name)} AS VARCHAR)`
      return [
        `contains(${text}, ${quoteText(output.separator)})`,
        `contains(${text}, chr(10))`,
        `${text} = ${quoteText(output.nullText)}`,
      ]
    })
  return `SELECT count(*) FROM (${select}) WHERE ${bad.length === 0 ? 'false' : bad.join(' OR ')}`
}

/** DuckDB's JSON writer rewrites the numbers of documents, and writes `.5`, which is no JSON, for such decimals. */
function needsText({ type }: Column): boolean {
  return type.kind === 'json' || (type.kind === 'decimal' && type.scale === 38)
}

interface TextOptions {
  readonly nonFinite?: 'refuse' | 'null'
  readonly timestamptz?: ZoneText
}

function textValues(columns: readonly Column[], options: TextOptions): string {
  return columns.map((column) => `${textValue(column, options)} AS ${quoteName(column.name)}`).join(', ')
}

function textValue({ name, type }: Column, options: TextOptions): string {
  const column = quoteName(name)
  switch (type.kind) {
    case 'blob':
      return `to_base64(${column})`
    case 'double':
      return finite(name, column, options)
    case 'float':
      // By way of its shortest text, else 0.1 would be written as 0.10000000149011612.
      return finite(name, `CAST(CAST(${column} AS VARCHAR) AS DOUBLE)`, options)
    case 'timestamptz':
      return options.timestamptz === 'utc' ? `(${column} AT TIME ZONE 'UTC')` : column
    case 'decimal':
      if (type.scale === 38) return `regexp_replace(CAST(${column} AS VARCHAR), '^(-?)[.]', '\\10.')`
      return type.scale === type.precision ? `CAST(${column} AS DECIMAL(${type.precision + 1},${type.scale}))` : column
    case 'json':
      return `replace(replace(CAST(${column} AS VARCHAR), chr(10), ' '), chr(13), ' ')`
    default:
      return column
  }
}

function finite(name: string, value: string, { nonFinite = 'refuse' }: TextOptions): string {
  const otherwise = nonFinite === 'null' ? 'NULL' : `error(${quoteText(NOT_FINITE + name)})`
  return `CASE WHEN ${quoteName(name)} IS NULL OR isfinite(${quoteName(name)}) THEN ${value} ELSE ${otherwise} END`
}

/** SQL for the text of a row as a JSON object, with values as `ndjson` writes them. NaN and infinities are refused. */
export function jsonRowSql(columns: readonly Column[]): string {
  if (columns.length === 0) return `'{}'`
  if (columns.some(needsText)) return jsonText(columns, {})
  // One document for a row takes a fifth less time than one for each value.
  const fields = columns.map((column) => `${quoteName(column.name)}: ${textValue(column, {})}`)
  return `CAST(to_json({${fields.join(', ')}}) AS VARCHAR)`
}

function jsonText(columns: readonly Column[], options: TextOptions): string {
  const parts = columns.map((column, index) => {
    const value = textValue(column, options)
    const text = needsText(column) ? value : `CAST(to_json(${value}) AS VARCHAR)`
    const key = `${index === 0 ? '{' : ','}${JSON.stringify(column.name)}:`
    return `${quoteText(key)}, coalesce(${text}, 'null')`
  })
  return `concat(${parts.join(', ')}, '}')`
}

/** Parquet has no 128-bit integers: DuckDB would write doubles. What a decimal cannot hold is an error of its row. */
function parquetValues(columns: readonly Column[]): string {
  return columns
    .map(({ name, type }) => {
      const column = quoteName(name)
      if (type.kind === 'json') return `CAST(${column} AS VARCHAR) AS ${column}`
      const isHuge = type.kind === 'integer' && (type.name === 'hugeint' || type.name === 'uhugeint')
      return isHuge ? `CAST(${column} AS DECIMAL(38,0)) AS ${column}` : column
    })
    .join(', ')
}

function parquetOptions(output: QueryOutput & { format: 'parquet' }): string {
  const entries = Object.entries(output.metadata ?? {}).map(([key, value]) => `${quoteName(key)}: ${quoteText(value)}`)
  const metadata = entries.length === 0 ? '' : `, KV_METADATA {${entries.join(', ')}}`
  const { compression, dictionaryValuesMax, bloomFilters } = output
  const dictionary = dictionaryValuesMax === undefined ? '' : `, DICTIONARY_SIZE_LIMIT ${dictionaryValuesMax}`
  const filters = bloomFilters === undefined ? '' : `, WRITE_BLOOM_FILTER ${bloomFilters}`
  return `FORMAT parquet, COMPRESSION ${compression}, USE_TMP_FILE false${dictionary}${filters}${metadata}`
}
