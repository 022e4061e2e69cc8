/** Keys have one order, here and on the server: by it, parts are cut and gone on with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { readTable, TypeCatalog } from '../../clients/postgres-replication/index.ts'
import { keyOrder, orderedBy, orderedLiteral } from './key-order.ts'

/** Values as the server prints them. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  bigint: ['-9223372036854775808', '-1', '0', '9', '10', '9223372036854775807'],
  numeric: [
    'NaN',
    'Infinity',
    '-Infinity',
    '0',
    '-0.5',
    '-0.49',
    '0.49',
    '0.5',
    '10.25',
    '9',
    '-10',
    '-9',
    `1${'0'.repeat(60)}`,
  ],
  date: [
    'infinity',
    '-infinity',
    '0044-03-15 BC',
    '0045-03-15 BC',
    '0001-01-01',
    '2024-02-29',
    '10000-01-01',
    '5874897-12-31',
  ],
  timestamp: [
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00 BC',
    '2024-02-29 00:00:00',
    '2024-02-29 00:00:00.000001',
    '20240-01-01 00:00:00',
  ],
  timestamptz: [
    '0044-03-15 12:00:00.5+00 BC',
    '2024-02-29 00:00:00+00',
    '2024-02-29 00:00:00.1+00',
    '2024-02-29 00:00:00.12+00',
    'infinity',
  ],
  time: ['00:00:00', '00:00:00.5', '12:00:00', '24:00:00'],
  interval: ['1 day', '24:00:01', '-1 years', '1 year 2 mons'],
  uuid: [
    '00000000-0000-0000-0000-000000000000',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ],
  bytea: ['\\x', '\\x00', '\\x0001', '\\xff', '\\x7f'],
  bool: ['t', 'f'],
  inet: ['10.0.0.1', '9.0.0.1', '10.0.0.0/8', '::1'],
  float8: ['0.1', '-0.1', '1e+100', '-Infinity', '12'],
  'char(4)': ['a   ', 'B   ', 'ab  ', '    '],
  'text COLLATE "en-x-icu"': ['a', 'B', 'ä', 'Z', '', "it's", '\uffff', '😀', 'a b', 'ab'],
  'text COLLATE "C"': ['a', 'B', 'ä', '\uffff', '😀', 'a\\'],
  'int[]': ['{1,2}', '{1,10}', '{}'],
}

test('keys of all types sort as the server gives them, and are found again by what it printed', async () => {
  await using server = await useDatabase('postgres')
  await using database = await PostgresDatabase.create(server.url)
  for (const [type, values] of Object.entries(VALUES)) {
    await database.sql(`CREATE TABLE keys (id ${type} PRIMARY KEY)`)
    await database.sql(
      `INSERT INTO keys VALUES ${values.map((value) => `('${value.replaceAll("'", "''")}')`).join(', ')}`,
    )
    await using session = await database.session()
    const { key } = await readTable(session, new TypeCatalog(), { schema: 'public', name: 'keys' })
    const [column] = key
    const compare = keyOrder(key)
    assert.ok(column !== undefined && compare !== undefined)
    const ordered = (await database.sql(`SELECT id FROM keys ORDER BY ${orderedBy(column)}`)).map(([id]) => id ?? '')
    assert.deepEqual(
      ordered,
      ordered.toSorted((one, other) => compare([one], [other])),
      type,
    )
    assert.deepEqual(ordered.toSorted(), values.toSorted(), `${type} is printed as it was written`)
    for (const [index, value] of ordered.entries()) {
      const behind: string = `SELECT count(*) FROM keys WHERE ${orderedBy(column)} > ${orderedLiteral(column, value)}`
      assert.deepEqual(await database.sql(behind), [[String(ordered.length - 1 - index)]], `${type} behind ${value}`)
    }
    await database.sql('DROP TABLE keys')
  }
})
