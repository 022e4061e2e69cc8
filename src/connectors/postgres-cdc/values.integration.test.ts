/** Every type, by the initial read and by the log: the same text, and the exact one. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { JsonLinesScanner } from '../../dataplane/json-lines.ts'
import { parseColumnType } from '../../dataplane/types.ts'
import type { Schema } from '../../core/schema.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { discoverSchema } from './discover-schema.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

/** Type, value in SQL, our column's type, and the JSON text of the value. */
const VALUES: readonly (readonly [type: string, sql: string, column: string, json: string])[] = [
  ['bool', 'true', 'boolean', 'true'],
  ['int2', '-32768', 'smallint', '-32768'],
  ['int4', '2147483647', 'integer', '2147483647'],
  ['int8', '-9223372036854775808', 'bigint', '-9223372036854775808'],
  ['float4', '0.1', 'float', '0.1'],
  ['float8', '1e-300', 'double', '1e-300'],
  [
    'numeric',
    '12345678901234567890123456789012345678901234567890.123456789',
    'varchar',
    '"12345678901234567890123456789012345678901234567890.123456789"',
  ],
  [
    'numeric(38,10)',
    '-1234567890123456789012345678.0123456789',
    'decimal(38,10)',
    '"-1234567890123456789012345678.0123456789"',
  ],
  ['numeric(3,-2)', '12345', 'decimal(5,0)', '"12300"'],
  ['numeric(2,4)', '0.0012', 'decimal(4,4)', '"0.0012"'],
  ['numeric(60,2)', '1', 'varchar', '"1.00"'],
  ['money', '12.5', 'varchar', '"$12.50"'],
  ['text', `E'\\u0001 "q" \\\\ \\n tab\\t 漢字 😀'`, 'varchar', '"\\u0001 \\"q\\" \\\\ \\u000a tab\\u0009 漢字 😀"'],
  ['varchar(10)', `'ä'`, 'varchar', '"ä"'],
  ['char(4)', `'ab'`, 'varchar', '"ab  "'],
  ['name', `'n'`, 'varchar', '"n"'],
  ['bytea', `'\\x00ff10'`, 'blob', '"AP8Q"'],
  ['date', `'0001-01-01'`, 'date', '"0001-01-01"'],
  ['time(3)', `'23:59:59.999'`, 'time', '"23:59:59.999"'],
  ['timetz', `'10:00:00.000001+05:30'`, 'varchar', '"10:00:00.000001+05:30"'],
  ['timestamp', `'9999-12-31 23:59:59.999999'`, 'timestamp', '"9999-12-31 23:59:59.999999"'],
  ['timestamp(0)', `'2024-02-29 12:00:00'`, 'timestamp(0)', '"2024-02-29 12:00:00"'],
  ['timestamptz', `'2024-03-31 02:30:00.000001+02'`, 'timestamp', '"2024-03-31 00:30:00.000001"'],
  ['interval', `'1 year 2 days -03:04:05.6'`, 'varchar', '"1 year 2 days -03:04:05.6"'],
  ['uuid', `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`, 'uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'],
  ['json', `E'{"a": 1.10,\\n "b": [12345678901234567890]}'`, 'json', '{"a": 1.10,  "b": [12345678901234567890]}'],
  ['jsonb', `'{"b": 1, "a": 12345678901234567890.5}'`, 'json', '{"a": 12345678901234567890.5, "b": 1}'],
  ['int4[]', `'{1,NULL,3}'`, 'json', '[1,null,3]'],
  ['int8[]', `'{{1,2},{3,9223372036854775807}}'`, 'json', '[[1,2],[3,9223372036854775807]]'],
  [
    'text[]',
    `ARRAY['a,b', 'say "hi"', 'NULL', NULL, '', E'back\\\\slash', '{']`,
    'json',
    '["a,b","say \\"hi\\"","NULL",null,"","back\\\\slash","{"]',
  ],
  ['bool[]', `'{t,f}'`, 'json', '[true,false]'],
  ['numeric[]', `'{1.50}'`, 'json', '["1.50"]'],
  ['timestamptz[]', `'{"2024-01-01 00:00:00+01"}'`, 'json', '["2023-12-31 23:00:00"]'],
  ['int4[]', `'[5:6]={1,2}'`, 'json', '[1,2]'],
  ['inet', `'10.0.0.1/8'`, 'varchar', '"10.0.0.1/8"'],
  ['cidr', `'2001:db8::/32'`, 'varchar', '"2001:db8::/32"'],
  ['macaddr', `'08:00:2b:01:02:03'`, 'varchar', '"08:00:2b:01:02:03"'],
  ['bit(5)', `B'10101'`, 'varchar', '"10101"'],
  ['int4range', `'[1,5)'`, 'varchar', '"[1,5)"'],
  ['point', `'(1.5,2)'`, 'varchar', '"(1.5,2)"'],
  ['xml', `'<a>"</a>'`, 'varchar', '"<a>\\"</a>"'],
  ['tsvector', `'a:1 b'`, 'varchar', `"'a':1 'b'"`],
  ['oid', '4294967295', 'bigint', '4294967295'],
  ['mood', `'so, so'`, 'varchar', '"so, so"'],
  ['mood[]', `ARRAY['so, so','fine']::mood[]`, 'json', '["so, so","fine"]'],
  ['price', '19.90', 'decimal(10,2)', '"19.90"'],
  ['"date ""x"""', `'d'`, 'varchar', '"d"'],
  ['pair', `ROW(1, 'a')`, 'varchar', '"(1,a)"'],
  ['text', 'NULL', 'varchar', 'null'],
]

const TYPES = [
  `CREATE TYPE mood AS ENUM ('so, so', 'fine')`,
  'CREATE DOMAIN amount AS numeric(10,2)',
  'CREATE DOMAIN price AS amount CHECK (value > 0)',
  `CREATE TYPE "date ""x""" AS ENUM ('d')`,
  'CREATE TYPE pair AS (n int, t text)',
]

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

suite('values of a Postgres table', () => {
  test('each type has the same exact text in the initial read, in an insert, and in an update', async () => {
    await using database = await PostgresDatabase.create(server.url)
    for (const type of TYPES) await database.sql(type)
    const columns = VALUES.map(([type], index) => `c${index} ${type}`)
    await database.sql(`CREATE TABLE t (id int PRIMARY KEY, touched int, ${columns.join(', ')})`)
    await database.sql('ALTER TABLE t REPLICA IDENTITY FULL')
    const values = VALUES.map(([, sql]) => sql).join(', ')
    await database.sql(`INSERT INTO t VALUES (1, 0, ${values})`)
    const options = optionsOf(database)
    await using source = new FollowedSource(new PostgresCdcSource(options))
    await source.start()
    await source.readUntil(() => source.count === 1 && source.positions.has('wal'))
    await database.sql(`INSERT INTO t VALUES (2, 0, ${values})`)
    await database.sql('UPDATE t SET touched = 1 WHERE id = 2')
    await database.sql('DELETE FROM t WHERE id = 2')
    await source.readUntil(() => source.count === 4)

    const row = (id: number, touched: number, op: number): string =>
      `{"id":${id},"touched":${touched},${VALUES.map(([, , , json], index) => `"c${index}":${json}`).join(',')},"__op":${op}}`
    assert.deepEqual(source.records, [row(1, 0, 0), row(2, 0, 0), row(2, 1, 0), row(2, 1, 1)])

    const schema = (await discoverSchema(options)) ?? []
    const types = schema.filter(({ name }) => /^c\d/.test(name)).map(({ type }) => type)
    assert.deepEqual(
      types,
      VALUES.map(([, , type]) => type),
    )
    assert.deepEqual(refusals(schema, source.records), [], 'our own decoder takes every row')
  })

  test('what has no counterpart outside of Postgres is poison, or NULL when that is asked for', async () => {
    const special = [
      ['float8', `'NaN'`],
      ['float4', `'-Infinity'`],
      ['numeric(10,2)', `'NaN'`],
      ['date', `'infinity'`],
      ['date', `'0044-03-15 BC'`],
      ['timestamp', `'-infinity'`],
      ['timestamp', `'10000-01-01 00:00:00'`],
      ['timestamptz', `'0044-03-15 12:00:00 BC'`],
      ['time', `'24:00:00'`],
      ['float8[]', `'{1,NaN}'`],
    ] as const
    await using database = await PostgresDatabase.create(server.url)
    const columns = special.map(([type], index) => `c${index} ${type}`)
    await database.sql(`CREATE TABLE t (id int PRIMARY KEY, ${columns.join(', ')})`)
    await database.sql(`INSERT INTO t VALUES (1, ${special.map(([, sql]) => sql).join(', ')})`)
    const nulls = special.map((_, index) => `"c${index}":null`).join(',')
    {
      await using source = new FollowedSource(new PostgresCdcSource(optionsOf(database, { specialValues: 'null' })))
      await source.start()
      await source.readUntil(() => source.count === 1 && source.positions.has('wal'))
      await database.sql(`INSERT INTO t SELECT 2, ${special.map((_, index) => `c${index}`).join(', ')} FROM t`)
      await source.readUntil(() => source.count === 2)
      assert.deepEqual(source.records, [`{"id":1,${nulls},"__op":0}`, `{"id":2,${nulls},"__op":0}`])
    }
    await using source = new FollowedSource(new PostgresCdcSource(optionsOf(database)))
    await source.start()
    await assert.rejects(
      source.readUntil(() => source.count === 1),
      { code: 'POISON', message: /public\.t.*column c0 \(float8\)/ },
    )
  })

  test('a row that is larger than the usual buffer comes whole, by both ways', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY, big text)')
    const big = `repeat(E'\\n', 3000000)`
    await database.sql(`INSERT INTO t VALUES (1, 'small'), (2, ${big}), (3, 'small')`)
    await using source = new FollowedSource(new PostgresCdcSource(optionsOf(database)))
    await source.start()
    await source.readUntil(() => source.count === 3 && source.positions.has('wal'))
    await database.sql(`INSERT INTO t VALUES (4, 'small'), (5, ${big}), (6, 'small')`)
    await source.readUntil(() => source.count === 6)
    const sizes = source.records.map((record) => (JSON.parse(record) as { big: string }).big.length)
    assert.deepEqual(sizes, [5, 3_000_000, 5, 5, 3_000_000, 5])
  })
})

/** What our decoder of JSON rows has against some rows. */
function refusals(schema: Schema, records: readonly string[]): string[] {
  const scanner = new JsonLinesScanner(schema.map((column) => ({ ...column, type: parseColumnType(column.type) })))
  const buffer = Buffer.from(records.map((record) => `${record}\n`).join(''))
  const result = scanner.scan(buffer, buffer.length, records.length, () => undefined)
  return result.ok ? [] : result.errors.map(({ column, reason }) => `${column}: ${reason}`)
}

function optionsOf(database: PostgresDatabase, more: object = {}): ReturnType<typeof postgresCdcOptions.parse> {
  return postgresCdcOptions.parse({ ...database.options, table: 't', slot: `${database.name}_slot`, ...more })
}
