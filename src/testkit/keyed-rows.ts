import type { SourceConnector } from '../core/connector.ts'
import type { Schema } from '../core/schema.ts'
import type { SliceDatabase } from './slice-tables.ts'

/** The rows of a table that have these keys, as JSON lines in any order. */
export async function rowsByKey<O>(
  connector: SourceConnector<O>,
  database: SliceDatabase,
  options: Readonly<Record<string, unknown>>,
  ask: { readonly keys: readonly string[]; readonly columns: readonly string[] },
  keys: readonly (readonly string[])[],
): Promise<string[]> {
  const checked = connector.options.parse({ ...database.address, ...options })
  const discovered = await connector.discoverSchema?.(checked, '/', () => {
    throw new Error('no store is needed')
  })
  const schema: Schema = (discovered ?? []).filter(({ name }) => ask.columns.includes(name))
  const reader = await connector.openKeyed?.(checked, { keys: ask.keys, schema })
  if (reader === undefined) throw new Error('the connector can be asked for keys')
  try {
    const { buffer, length, rows } = await reader.fetch(keys, new AbortController().signal)
    const lines = buffer.toString('utf8', 0, length).split('\n').slice(0, -1)
    if (lines.length !== rows) throw new Error(`${rows} rows are told, and ${lines.length} lines came`)
    return lines.sort()
  } finally {
    await reader.close()
  }
}
