import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { useDatabase, type DatabaseName } from '../../../scripts/services/databases.ts'
import { makeDatabase } from '../../testkit/slice-tables.ts'
import { describeRows, readTable } from '../../testkit/slice-values.ts'
import { mysqlSource } from './slices.ts'

/** Type, constant, the type of our rows, and the value in our JSON. */
const VALUES: readonly (readonly [type: string, value: string, ours: string, json: string])[] = [
  ['tinyint', '-128', 'tinyint', '-128'],
  ['tinyint(1)', '2', 'tinyint', '2'],
  ['tinyint unsigned', '255', 'smallint', '255'],
  ['smallint unsigned', '65535', 'integer', '65535'],
  ['mediumint', '-8388608', 'integer', '-8388608'],
  ['int unsigned', '4294967295', 'bigint', '4294967295'],
  ['int(8) unsigned zerofill', '42', 'bigint', '42'],
  ['bigint', '-9223372036854775808', 'bigint', '-9223372036854775808'],
  ['bigint unsigned', '18446744073709551615', 'ubigint', '18446744073709551615'],
  [
    'decimal(38,10)',
    '9999999999999999999999999999.0123456789',
    'decimal(38,10)',
    '9999999999999999999999999999.0123456789',
  ],
  ['decimal(12,2)', '-0.50', 'decimal(12,2)', '-0.50'],
  ['decimal(65,30)', `${'9'.repeat(35)}.${'1'.repeat(30)}`, 'varchar', `"${'9'.repeat(35)}.${'1'.repeat(30)}"`],
  ['float', '0.1', 'float', '0.10000000149011612'],
  ['float', '16777216', 'float', '16777216'],
  ['double', '1.7976931348623157e308', 'double', '1.7976931348623157e308'],
  ['double', '-0.1', 'double', '-0.1'],
  [
    'varchar(50) CHARACTER SET utf8mb4',
    "'a\\\\b\\n\\t\\r\\b\\Z\"é😀'",
    'varchar',
    String.raw`"a\\b\n\t\r\b\u001a\"é😀"`,
  ],
  ['varchar(50) CHARACTER SET latin1', "'é'", 'varchar', '"é"'],
  ['varchar(10)', "''", 'varchar', '""'],
  ['varchar(10)', "'x  '", 'varchar', '"x  "'],
  ['text', `repeat('ab', 30000)`, 'varchar', `"${'ab'.repeat(30_000)}"`],
  ["enum('a,b','c')", "'a,b'", 'varchar', '"a,b"'],
  ["set('x','y')", "'x,y'", 'varchar', '"x,y"'],
  ['binary(4)', "X'00ff'", 'blob', '"AP8AAA=="'],
  ['varbinary(10)', "X'abcd'", 'blob', '"q80="'],
  ['blob', "''", 'blob', '""'],
  ['bit(10)', "b'1111111111'", 'ubigint', '1023'],
  ['bit(64)', "X'ffffffffffffffff'", 'ubigint', '18446744073709551615'],
  ['date', "'9999-12-31'", 'date', '"9999-12-31"'],
  ['datetime(6)', "'2024-02-29 23:59:59.123456'", 'timestamp(6)', '"2024-02-29 23:59:59.123456"'],
  ['datetime', "'1000-01-01 00:00:00'", 'timestamp(0)', '"1000-01-01 00:00:00"'],
  ['timestamp(3) NULL', "'2024-03-31 02:30:00.5'", 'timestamp(3)', '"2024-03-31 02:30:00.500"'],
  ['time(2)', "'-838:59:59'", 'varchar', '"-838:59:59.00"'],
  ['year', '2024', 'smallint', '2024'],
  ['year', '0', 'smallint', '0'],
  ['point', 'POINT(1, -2.5)', 'varchar', '"POINT(1 -2.5)"'],
]

for (const name of ['mariadb', 'mysql', 'mysql80'] as const satisfies DatabaseName[]) {
  describe(`slices of ${name}`, async () => {
    const server = await useDatabase(name)
    after(() => server[Symbol.asyncDispose]())

    test('values come as the exact text of their JSON', async () => {
      await using tables = await makeDatabase(server.url)
      const columns = VALUES.map(([type], at) => `c${at} ${type}`)
      await tables.run(`CREATE TABLE t (id integer PRIMARY KEY, ${columns.join(', ')})`)
      await tables.run(`INSERT INTO t SELECT 1, ${VALUES.map(([, value]) => value).join(', ')}`)
      await tables.run('INSERT INTO t (id) VALUES (2)')
      const schema = await describeRows(mysqlSource, tables, { table: 't', column: 'id' })
      assert.deepEqual(
        schema.slice(1),
        VALUES.map(([, , ours], at) => `c${at} ${ours}`),
      )
      const lines = await readTable(mysqlSource, tables, { table: 't', column: 'id' })
      const row = (id: number, value: (at: number) => string): string =>
        `{"id":${id},${VALUES.map((_, at) => `"c${at}":${value(at)}`).join(',')}}`
      assert.deepEqual(lines, [row(1, (at) => VALUES[at]?.[3] ?? ''), row(2, () => 'null')])
    })

    test('a date whose month or day is zero ends the read with its column', async () => {
      await using tables = await makeDatabase(server.url)
      await tables.run('CREATE TABLE t (id integer PRIMARY KEY, c date)')
      await tables.run("INSERT INTO t VALUES (1, '0000-00-00')")
      const reading = readTable(mysqlSource, tables, { table: 't', column: 'id' })
      await assert.rejects(reading, { code: 'POISON', message: /column c/ })
    })

    test('keys of every kind are compared by the server, wherever reading stops', async () => {
      await using tables = await makeDatabase(server.url)
      await tables.run(
        `CREATE TABLE t (a varchar(20) COLLATE utf8mb4_general_ci, b binary(4), c datetime(6), d decimal(10,2), n integer,
         PRIMARY KEY (a, c, d, b)) CHARACTER SET utf8mb4`,
      )
      const texts = ["'it''s'", "'back\\\\slash'", "'tab\\t'", "'Ä'", "''"]
      const rows = Array.from({ length: 200 }, (_, at) => {
        const bytes = at.toString(16).padStart(8, '0')
        return `(${texts[at % 5]}, X'${bytes}', '2024-10-27 00:00:00.${String(Math.floor(at / 10)).padStart(6, '0')}', ${at % 3}.5, ${at})`
      })
      await tables.run(`INSERT INTO t VALUES ${rows.join(', ')}`)
      const options = { table: 't', column: ['a', 'c'], columns: ['n'], pageRows: 3 }
      const lines = await readTable(mysqlSource, tables, options, 1)
      assert.deepEqual(
        lines.map((line) => (JSON.parse(line) as { n: number }).n).toSorted((x, y) => x - y),
        Array.from({ length: 200 }, (_, at) => at),
      )
    })
  })
}
