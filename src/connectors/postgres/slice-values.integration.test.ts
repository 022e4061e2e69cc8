import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { describeRows, readTable } from '../../testkit/slice-values.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

/** Type, constant, the type of our rows, and the value in our JSON. */
const VALUES: readonly (readonly [type: string, value: string, ours: string, json: string])[] = [
  ['smallint', '-32768', 'smallint', '-32768'],
  ['integer', '2147483647', 'integer', '2147483647'],
  ['bigint', '-9223372036854775808', 'bigint', '-9223372036854775808'],
  [
    'numeric(38,10)',
    '9999999999999999999999999999.0123456789',
    'decimal(38,10)',
    '9999999999999999999999999999.0123456789',
  ],
  ['numeric(12,2)', '-0.50', 'decimal(12,2)', '-0.50'],
  [
    'numeric',
    '123456789012345678901234567890123456789012345678901234567890.000000001',
    'varchar',
    '"123456789012345678901234567890123456789012345678901234567890.000000001"',
  ],
  ['real', '0.1', 'float', '0.1'],
  ['double precision', '1.7976931348623157e308', 'double', '1.7976931348623157e+308'],
  ['double precision', '5e-324', 'double', '5e-324'],
  ['boolean', 'true', 'boolean', 'true'],
  ['boolean', 'false', 'boolean', 'false'],
  [
    'text',
    "E'a\\\\b\\n\\t\\r\\x08\\x0c\\x0b\\x01\"\\u00e9\\U0001f600'",
    'varchar',
    String.raw`"a\\b\n\t\r\b\f\u000b\u0001\"é😀"`,
  ],
  ['text', "''", 'varchar', '""'],
  ['text', String.raw`'\N'`, 'varchar', String.raw`"\\N"`],
  ['varchar(10)', "'x  '", 'varchar', '"x  "'],
  ['char(4)', "'x'", 'varchar', '"x   "'],
  ['bytea', String.raw`'\x00ff10'`, 'blob', '"AP8Q"'],
  ['bytea', String.raw`'\x'`, 'blob', '""'],
  ['bytea', String.raw`'\xabcd'`, 'blob', '"q80="'],
  ['date', "'0001-01-01'", 'date', '"0001-01-01"'],
  ['date', "'9999-12-31'", 'date', '"9999-12-31"'],
  ['time', "'23:59:59.999999'", 'time', '"23:59:59.999999"'],
  ['timestamp', "'2024-02-29 23:59:59.123456'", 'timestamp(6)', '"2024-02-29 23:59:59.123456"'],
  ['timestamp(3)', "'2024-02-29 00:00:00'", 'timestamp(3)', '"2024-02-29 00:00:00"'],
  ['timestamptz', "'2024-03-10 02:30:00.5-08'", 'timestamp(6)', '"2024-03-10 10:30:00.5"'],
  ['timestamptz', "'2024-03-31 02:30:00+14'", 'timestamp(6)', '"2024-03-30 12:30:00"'],
  ['uuid', "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", 'uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'],
  [
    'jsonb',
    `'{"a": 12345678901234567890.10, "b": "x\\\\ny"}'`,
    'json',
    String.raw`{"a": 12345678901234567890.10, "b": "x\\ny"}`,
  ],
  ['json', `E'{"a":\\n\\t1}'`, 'json', '{"a":  1}'],
  ['int[]', "'{1,NULL,3}'", 'json', '[1,null,3]'],
  ['interval', "'1 day 02:03:04'", 'varchar', '"P1DT2H3M4S"'],
  ['inet', "'10.0.0.1/8'", 'varchar', '"10.0.0.1/8"'],
  ['bit(3)', "B'101'", 'varchar', '"101"'],
  ['xid8', "'18446744073709551615'", 'ubigint', '18446744073709551615'],
]

test('values come as the exact text of their JSON', async () => {
  await using tables = await makeDatabase(server.url)
  const columns = VALUES.map(([type], at) => `c${at} ${type}`)
  await tables.run(`CREATE TABLE t (id integer PRIMARY KEY, ${columns.join(', ')})`)
  const values = VALUES.map(([type, value]) => `(${value})::${type}`)
  await tables.run(`INSERT INTO t SELECT 1, ${values.join(', ')}`)
  await tables.run('INSERT INTO t (id) VALUES (2)')
  const schema = await describeRows(postgresSource, tables, { table: 't', column: 'id' })
  assert.deepEqual(
    schema.slice(1),
    VALUES.map(([, , ours], at) => `c${at} ${ours}`),
  )
  const lines = await readTable(postgresSource, tables, { table: 't', column: 'id' })
  const row = (id: number, value: (at: number) => string): string =>
    `{"id":${id},${VALUES.map((_, at) => `"c${at}":${value(at)}`).join(',')}}`
  assert.deepEqual(lines, [row(1, (at) => VALUES[at]?.[3] ?? ''), row(2, () => 'null')])
})

for (const [type, value] of [
  ['double precision', "'NaN'"],
  ['numeric(10,2)', "'NaN'"],
  ['real', "'-Infinity'"],
  ['date', "'infinity'"],
  ['timestamp', "'-infinity'"],
  ['date', "'0044-03-15 BC'"],
  ['date', "'10000-01-01'"],
] as const) {
  test(`${value} in a ${type} ends the read with its column`, async () => {
    await using tables = await makeDatabase(server.url)
    await tables.run(`CREATE TABLE t (id integer PRIMARY KEY, c ${type})`)
    await tables.run(`INSERT INTO t VALUES (1, ${value})`)
    const reading = readTable(postgresSource, tables, { table: 't', column: 'id' })
    await assert.rejects(reading, { code: 'POISON', message: /column c/ })
  })
}

test('keys of every kind are compared by the server, wherever reading stops', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run('CREATE TABLE t (a varchar(20), b uuid, c timestamptz, n integer, PRIMARY KEY (a, c, b))')
  await tables.run(
    `INSERT INTO t SELECT (ARRAY['it''s', E'back\\\\slash', E'tab\\t', 'Ä', ''])[1 + n % 5], gen_random_uuid(),
     '2024-10-27 00:00:00.000001+00'::timestamptz + (n / 10) * interval '0.000001 s', n FROM generate_series(1, 200) n`,
  )
  const options = { table: 't', column: ['a', 'c'], columns: ['n'], pageRows: 3 }
  const lines = await readTable(postgresSource, tables, options, 1)
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { n: number }).n).toSorted((x, y) => x - y),
    Array.from({ length: 200 }, (_, at) => at + 1),
  )
})
