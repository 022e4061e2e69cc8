import {
  quoteName,
  quoteText,
  UNSPEAKABLE,
  writeValue,
  type PgConnection,
  type PgTable,
  type RowShape,
  type Supplied,
} from '../../clients/postgres-replication/index.ts'
import { assert } from '../../core/assert.ts'
import type { KeyText } from './split.ts'

type Form = RowShape['columns'][number]['form']

export interface WantedValues {
  readonly key: KeyText
  readonly columns: readonly { readonly index: number; readonly name: string; readonly form: Form }[]
}

/**
 * Values that an update left out, from the table as it is now. They may be newer than the update; then the change that
 * made them so follows. Undefined when the row is gone: what follows deletes it.
 */
export async function currentValues(
  connection: PgConnection,
  table: PgTable,
  { key, columns }: WantedValues,
): Promise<Supplied | undefined> {
  assert(table.key.length > 0, 'a table without a primary key has its whole rows in the log')
  const conditions = table.key.map(({ name }, index) => `${quoteName(name)} = ${quoteText(key[index] ?? '')}`)
  const [row] = await connection.query(
    `SELECT ${columns.map(({ name }) => quoteName(name)).join(', ')}
     FROM ${quoteName(table.schema)}.${quoteName(table.name)} WHERE ${conditions.join(' AND ')}`,
    `looking up values of ${table.schema}.${table.name} that an update left out`,
  )
  if (row === undefined) return undefined
  return new Map(columns.map(({ index, form }, place) => [index, jsonOf(form, row[place] ?? null)]))
}

function jsonOf(form: Form, text: string | null): Buffer {
  if (text === null) return Buffer.from('null')
  const bytes = Buffer.from(text)
  const target = Buffer.allocUnsafe(12 * bytes.length + 16)
  const length = writeValue(form, bytes, 0, bytes.length, target, 0)
  // What is large enough to be left out is text, bytes, a document or an array.
  return length === UNSPEAKABLE ? Buffer.from('null') : target.subarray(0, length)
}
