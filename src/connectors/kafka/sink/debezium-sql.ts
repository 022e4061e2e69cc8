import { jsonRowSql } from '../../../dataplane/output.ts'
import { quoteText } from '../../../dataplane/sql-text.ts'
import type { Column } from '../../../dataplane/types.ts'

/** Columns that tell of the change itself. */
const ABOUT = ['__op', '_op', '_position', '_timestamp']

export function debeziumColumns(columns: readonly Column[]): Column[] {
  return columns.filter(({ name }) => !ABOUT.includes(name))
}

/**
 * SQL for Debezium's envelope (its documentation, "Data change events"), without a schema: `__op` 1 is a deletion, `_op` tells
 * insert from update where the source knows, `_timestamp` is when the change was made. There is no row as it was before an
 * update: streams of changes in Millrace have the new one only.
 */
export function debeziumSql(
  value: readonly Column[],
  columns: ReadonlyMap<string, Column>,
  table: { readonly database: string; readonly name: string },
): string {
  const row = jsonRowSql(value)
  const isDelete = columns.has('__op') ? `coalesce("__op" = 1, false)` : 'false'
  const op = columns.has('_op') ? `coalesce("_op", 'c')` : `'c'`
  const at = columns.has('_timestamp') ? `coalesce(epoch_ms("_timestamp"), epoch_ms(now()))` : 'epoch_ms(now())'
  const source = `{"version":"1","connector":"millrace","name":"millrace","db":${JSON.stringify(table.database)},"table":${JSON.stringify(table.name)},"ts_ms":`
  return (
    `concat('{"before":', CASE WHEN ${isDelete} THEN ${row} ELSE 'null' END, ` +
    `',"after":', CASE WHEN ${isDelete} THEN 'null' ELSE ${row} END, ` +
    `${quoteText(`,"source":${source}`)}, CAST(${at} AS VARCHAR), ` +
    `'},"op":"', CASE WHEN ${isDelete} THEN 'd' ELSE ${op} END, '","ts_ms":', CAST(epoch_ms(now()) AS VARCHAR), '}')`
  )
}

/** The table that a topic stands for: `server.database.table` as Debezium names topics, or what the option says. */
export function debeziumTable(table: string | undefined, topic: string): { database: string; name: string } {
  const parts = (table ?? topic).split('.')
  return { database: parts.at(-2) ?? 'millrace', name: parts.at(-1) ?? topic }
}
