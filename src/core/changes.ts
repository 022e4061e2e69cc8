import type { SplitId } from './batch.ts'
import type { JsonObject } from './json.ts'
import type { Column } from './schema.ts'

/*
 * Rows of several tables in one stream. A batch names the table that its rows belong to (`Batch.table`), and a change of
 * a table's shape travels between the rows (`SchemaChange`). Rows are changes: column `__op` says what to do with them.
 */

/** `database.table`, in Postgres `schema.table`; made by `tableId`, so that equal tables have equal texts. */
export type TableId = string

/** What to do with a row of a change stream: 0 puts it in the place of the one with its key, 1 deletes that one. */
export const OP_COLUMN = '__op'

/** A column of a source table. `type` is the type of its values in our rows, in DuckDB's words. */
export interface TableColumn extends Column {
  /** Characters of a text column, as far as the source limits them. */
  readonly length?: number
  /** The source's own word for the type, for messages and for types that DuckDB does not have. */
  readonly native?: string
}

/** A table of the source in one of its shapes. Plain data: it travels between threads. */
export interface SourceTable {
  readonly id: TableId
  readonly database: string
  readonly name: string
  /** In their order, without the columns of the change itself (`__op` and others that begin with `__`). */
  readonly columns: readonly TableColumn[]
  /** Columns of the primary key; empty where the table has none. */
  readonly key: readonly string[]
  /** Column of the rows, beside `columns`, that sorts in commit order and is a bigint, if the source can give one. */
  readonly sequence?: string
}

/** What happened to a table, as far as a sink may follow it. */
export type TableEvent =
  | { readonly kind: 'create' }
  | { readonly kind: 'add-columns'; readonly columns: readonly string[] }
  | { readonly kind: 'drop-columns'; readonly columns: readonly string[] }
  | { readonly kind: 'rename-column'; readonly from: string; readonly to: string }
  /** Another type, length or nullability. */
  | { readonly kind: 'alter-columns'; readonly columns: readonly string[] }
  | { readonly kind: 'alter-key' }
  | { readonly kind: 'truncate' }
  | { readonly kind: 'drop' }

/** A change of shape. What comes before it in its split has the old shape, what follows the new one. */
export interface SchemaChange {
  readonly kind: 'schema-change'
  readonly split: SplitId
  /** The position after the change. */
  readonly next: JsonObject
  /** As it is after the change; a dropped one as it was. */
  readonly table: SourceTable
  readonly events: readonly TableEvent[]
}

/** Names may contain dots: they are told apart from the one in the middle. */
export function tableId(database: string, name: string): TableId {
  return `${escaped(database)}.${escaped(name)}`
}

/**
 * What became of a table whose source shows shapes only, not statements. A renamed column is not to be told from one that
 * was dropped and one that was added.
 */
export function compareTables(before: SourceTable | undefined, after: SourceTable): TableEvent[] {
  if (before === undefined) return [{ kind: 'create' }]
  const was = new Map(before.columns.map((column) => [column.name, column]))
  const is = new Set(after.columns.map(({ name }) => name))
  const events: TableEvent[] = []
  const added = after.columns.filter(({ name }) => !was.has(name)).map(({ name }) => name)
  const dropped = before.columns.filter(({ name }) => !is.has(name)).map(({ name }) => name)
  const altered = after.columns.filter((column) => isAltered(was.get(column.name), column)).map(({ name }) => name)
  if (added.length > 0) events.push({ kind: 'add-columns', columns: added })
  if (dropped.length > 0) events.push({ kind: 'drop-columns', columns: dropped })
  if (altered.length > 0) events.push({ kind: 'alter-columns', columns: altered })
  if (before.key.join('\0') !== after.key.join('\0')) events.push({ kind: 'alter-key' })
  return events
}

function isAltered(was: TableColumn | undefined, is: TableColumn): boolean {
  return was !== undefined && (was.type !== is.type || was.nullable !== is.nullable || was.length !== is.length)
}

function escaped(name: string): string {
  // Asked for every message of a feed.
  return name.includes('.') || name.includes('\\') ? name.replaceAll(/[\\.]/g, '\\$&') : name
}
