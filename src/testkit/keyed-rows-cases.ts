/** Rows of a table by their keys, as lookups on demand ask for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceConnector } from '../core/connector.ts'
import type { Schema } from '../core/schema.ts'
import { makeDatabase, type SliceDatabase } from './slice-tables.ts'

/** `unsigned`: the server's type for integers up to 2^64 - 1. */
export function keyedRowsCases<O>(
  name: string,
  serverUrl: string,
  connector: SourceConnector<O>,
  unsigned: string,
): void {
  test(`${name}: rows come by one column and by several, whatever is in the keys, with exact values`, async () => {
    await using database = await makeDatabase(serverUrl)
    await database.run(
      `CREATE TABLE users (id bigint PRIMARY KEY, tenant varchar(20), name varchar(50), big ${unsigned})`,
    )
    await database.run(
      "INSERT INTO users VALUES (1, 'a', 'O''Hara', 18446744073709551615), (2, 'a', 'b', NULL), (-3, 'a;b''', NULL, 3), (4, 'b', 'b', 1)",
    )
    const users = { table: 'users', column: 'id' }
    const byId = { keys: ['id'], columns: ['id', 'big'] }
    assert.deepEqual(await rowsByKey(connector, database, users, byId, [['1'], ['-3'], ['9']]), [
      '{"id":-3,"big":3}',
      '{"id":1,"big":18446744073709551615}',
    ])
    const byTwo = { keys: ['tenant', 'name'], columns: ['id', 'tenant', 'name'] }
    const keys = [
      ['a', "O'Hara"],
      ["a;b'", 'x'],
      ['b', 'b'],
      ['b', "O'Hara"],
    ]
    assert.deepEqual(await rowsByKey(connector, database, users, byTwo, keys), [
      '{"id":1,"tenant":"a","name":"O\'Hara"}',
      '{"id":4,"tenant":"b","name":"b"}',
    ])
    const some = { ...users, where: "tenant = 'b'" }
    const onlyId = { keys: ['id'], columns: ['id'] }
    assert.deepEqual(await rowsByKey(connector, database, some, onlyId, [['1'], ['4']]), ['{"id":4}'])
  })
}

/** The rows of a table that have these keys, as JSON lines in any order. */
async function rowsByKey<O>(
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
