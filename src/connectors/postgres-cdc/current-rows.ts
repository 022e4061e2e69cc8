import {
  formOf,
  quoteName,
  quoteText,
  UNSPEAKABLE,
  writeValue,
  type PgConnection,
  type PgTable,
  type SourceColumn,
  type Supplied,
} from '../../clients/postgres-replication/index.ts'
import { lost } from './lost.ts'
import type { KeyText } from './split.ts'

/**
 * Values that an update left out, from the table as it is now. They may be newer than the update; then the change that
 * made them so follows. Undefined when the row is gone: what follows deletes it.
 */
export async function currentValues(
  connection: PgConnection,
  table: PgTable,
  wanted: { readonly key: KeyText; readonly columns: readonly (readonly [index: number, column: SourceColumn])[] },
): Promise<Supplied | undefined> {
  const what = `${table.schema}.${table.name}`
  const conditions = table.key.map(({ name }, index) => `${quoteName(name)} = ${quoteText(wanted.key[index] ?? '')}`)
  if (conditions.length === 0) throw lost(what, 'without a primary key no row can be looked up')
  const rows = await connection.query(
    `SELECT ${wanted.columns.map(([, { name }]) => quoteName(name)).join(', ')}
     FROM ${quoteName(table.schema)}.${quoteName(table.name)} WHERE ${conditions.join(' AND ')}`,
    `looking up values of ${what} that an update left out`,
  )
  const [row] = rows
  if (row === undefined) return undefined
  return new Map(wanted.columns.map(([index, column], place) => [index, jsonOf(column, row[place] ?? null)]))
}

function jsonOf({ type, modifier }: SourceColumn, text: string | null): Buffer {
  if (text === null) return Buffer.from('null')
  const bytes = Buffer.from(text)
  const target = Buffer.allocUnsafe(6 * bytes.length + 16)
  const length = writeValue(formOf(type, modifier), bytes, 0, bytes.length, target, 0)
  // What is large enough to be left out is text, bytes, a document or an array.
  return length === UNSPEAKABLE ? Buffer.from('null') : target.subarray(0, length)
}
