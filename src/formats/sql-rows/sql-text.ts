import type { Column } from '../../core/schema.ts'
import { quoteName, quoteText, type ColumnType } from '../../dataplane/index.ts'

/** A column of the rows as DuckDB's SQL names it. */
export interface ColumnAt {
  readonly name: string
  readonly sql: string
  readonly type: ColumnType
}

export function columnAt({ name }: Column, type: ColumnType): ColumnAt {
  return { name, sql: quoteName(name), type }
}

/** How a server wants the values of a row as text: DuckDB expressions that make it. */
export interface SqlText {
  /** The text of a value, never NULL. */
  field(column: ColumnAt): string
  /** What stands for a column that the rows do not have. */
  readonly missing: string
  /** True: a key's text has the fields of a whole row, those outside of the key empty. */
  readonly isKeyWhole: boolean
}

/* Marks of errors that are raised inside a query by `error()`; what follows is the name of the column. */
export const NULL_KEY = 'millrace-null-key:'
export const NOT_A_NUMBER = 'millrace-not-a-number:'
export const WRONG_OP = 'millrace-wrong-op:'

/** Literals of a row in a statement of MySQL, MariaDB and TiDB, for sessions with backslash escapes. */
export const mysqlText: SqlText = {
  missing: 'DEFAULT',
  isKeyWhole: false,
  field: (column) => `coalesce(${mysqlLiteral(column)}, 'NULL')`,
}

function mysqlLiteral({ name, sql, type }: ColumnAt): string {
  switch (type.kind) {
    case 'integer':
    case 'decimal':
      return `CAST(${sql} AS VARCHAR)`
    case 'boolean':
      return `CASE ${sql} WHEN true THEN '1' WHEN false THEN '0' END`
    case 'float':
    case 'double':
      return (
        `CASE WHEN ${sql} IS NULL THEN NULL WHEN isfinite(${sql}) THEN CAST(${sql} AS VARCHAR) ` +
        `ELSE error(${quoteText(NOT_A_NUMBER + name)}) END`
      )
    case 'varchar':
    case 'json':
      return `'''' || ${escaped(sql, ["'", "''"], ['\\', '\\\\'])} || ''''`
    case 'blob':
      return `'x''' || hex(${sql}) || ''''`
    case 'timestamptz':
      return `'''' || CAST(${sql} AT TIME ZONE 'UTC' AS VARCHAR) || ''''`
    case 'uuid':
    case 'date':
    case 'time':
    case 'timestamp':
      return `'''' || CAST(${sql} AS VARCHAR) || ''''`
  }
}

/**
 * Fields of a row value inside an array constant of PostgreSQL (`{"(1,\"a\",)"}`): NULL is nothing, texts are quoted for
 * the row and once more for the array. Source: PostgreSQL manual, 8.15.2 and 8.16.6.
 */
export const postgresText: SqlText = {
  missing: '',
  isKeyWhole: true,
  field: (column) => `coalesce(${postgresField(column)}, '')`,
}

function postgresField({ sql, type }: ColumnAt): string {
  switch (type.kind) {
    case 'varchar':
    case 'json':
      return `'\\"' || ${escaped(sql, ['"', '\\"\\"'], ['\\', '\\\\\\\\'])} || '\\"'`
    case 'blob':
      return `'\\\\\\\\x' || hex(${sql})`
    case 'timestamptz':
      return `CAST(${sql} AT TIME ZONE 'UTC' AS VARCHAR) || '+00'`
    default:
      return `CAST(${sql} AS VARCHAR)`
  }
}

type Replacement = readonly [what: string, by: string]

/** Replaces in a text, the last one first. Looking first is half the cost, as most texts have nothing of it. */
function escaped(sql: string, ...all: readonly Replacement[]): string {
  const text = `CAST(${sql} AS VARCHAR)`
  const isThere = all.map(([what]) => `contains(${text}, ${quoteText(what)})`).join(' OR ')
  const replaced = all.reduceRight(
    (inner, [what, by]) => `replace(${inner}, ${quoteText(what)}, ${quoteText(by)})`,
    text,
  )
  return `CASE WHEN ${isThere} THEN ${replaced} ELSE ${text} END`
}
