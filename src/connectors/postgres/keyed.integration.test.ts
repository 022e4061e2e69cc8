/** Rows of a table by their keys, as lookups on demand ask for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { rowsByKey } from '../../testkit/keyed-rows.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { postgresSource } from './slices.ts'

for (const name of ['postgres'] as const) {
  test(`${name}: rows come by one column and by several, whatever is in the keys, with exact values`, async () => {
    await using server = await useDatabase(name)
    await using database = await makeDatabase(server.url)
    await database.run(
      'CREATE TABLE users (id bigint PRIMARY KEY, tenant varchar(20), name varchar(50), big numeric(20,0))',
    )
    await database.run(
      "INSERT INTO users VALUES (1, 'a', 'O''Hara', 18446744073709551615), (2, 'a', 'b', NULL), (-3, 'a;b''', NULL, 3), (4, 'b', 'b', 1)",
    )
    const options = { table: 'users', column: 'id' }
    const one = await rowsByKey(postgresSource, database, options, { keys: ['id'], columns: ['id', 'big'] }, [
      ['1'],
      ['-3'],
      ['9'],
    ])
    assert.deepEqual(one, ['{"id":-3,"big":3}', '{"id":1,"big":18446744073709551615}'])
    const two = { keys: ['tenant', 'name'], columns: ['id', 'tenant', 'name'] }
    const keys = [
      ['a', "O'Hara"],
      ["a;b'", 'x'],
      ['b', 'b'],
      ['b', "O'Hara"],
    ]
    assert.deepEqual(await rowsByKey(postgresSource, database, options, two, keys), [
      '{"id":1,"tenant":"a","name":"O\'Hara"}',
      '{"id":4,"tenant":"b","name":"b"}',
    ])
    const some = { ...options, where: "tenant = 'b'" }
    assert.deepEqual(
      await rowsByKey(postgresSource, database, some, { keys: ['id'], columns: ['id'] }, [['1'], ['4']]),
      ['{"id":4}'],
    )
  })
}
