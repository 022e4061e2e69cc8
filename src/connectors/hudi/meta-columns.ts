import { quoteName, quoteText } from '../../dataplane/index.ts'
import type { StoredColumn } from './avro-schema.ts'
import type { Instant } from './instant.ts'

export interface MetaColumns {
  readonly instant: Instant
  /** Whole name of the data file, with `.parquet`. */
  readonly fileName: string
  readonly partitionPath: string
  /** Unique among the files of the instant, for example `<lane>_<file>`. */
  readonly writer: string
  /** SQL for the number of the row in its file, for example `rowid`; must be unique within the file. */
  readonly rowIndex?: string
  /** Added to the row index, when a file is written in pieces. */
  readonly rowBase?: bigint
  /** Without any, a row's key is made of instant, writer and row number. */
  readonly recordKeyFields: readonly string[]
}

/**
 * The SELECT list of a data file in DuckDB SQL: Hudi's five meta columns, then the columns in the form in which they
 * are stored. Use it as `COPY (SELECT <this> FROM …) TO … (FORMAT parquet)`.
 */
export function selectList(meta: MetaColumns, columns: readonly StoredColumn[]): string {
  const row = `(${meta.rowIndex ?? 'row_number() OVER () - 1'} + ${meta.rowBase ?? 0n})`
  const rowName = `${quoteText(`${meta.instant}_${meta.writer}_`)} || ${row}`
  const list = [
    `${constant(meta.instant)} AS "_hoodie_commit_time"`,
    `${rowName} AS "_hoodie_commit_seqno"`,
    `${meta.recordKeyFields.length === 0 ? rowName : recordKey(meta.recordKeyFields)} AS "_hoodie_record_key"`,
    `${constant(meta.partitionPath)} AS "_hoodie_partition_path"`,
    `${constant(meta.fileName)} AS "_hoodie_file_name"`,
    ...columns.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`),
  ]
  return list.join(', ')
}

/**
 * The same text in every row, as an enumeration of one value: the file has the same column of UTF-8 text, but DuckDB
 * neither copies nor hashes the text for every row.
 */
function constant(text: string): string {
  return `CAST(${quoteText(text)} AS ENUM(${quoteText(text)}))`
}

/** One field: its value as text. Several: `a:1,b:2`, with names for null and empty (KeyGenUtils.java of Apache Hudi). */
function recordKey(fields: readonly string[]): string {
  const [first, ...others] = fields
  const text = (field: string): string => `CAST(${quoteName(field)} AS VARCHAR)`
  if (first !== undefined && others.length === 0) return text(first)
  const parts = fields.map(
    (field) =>
      `${quoteText(`${field}:`)} || CASE WHEN ${text(field)} IS NULL THEN '__null__' ` +
      `WHEN ${text(field)} = '' THEN '__empty__' ELSE ${text(field)} END`,
  )
  return parts.join(" || ',' || ")
}
