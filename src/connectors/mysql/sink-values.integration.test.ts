import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { startDatabase, useDatabase } from '../../../scripts/services/databases.ts'
import { MillraceError } from '../../core/errors.ts'
import { SqlSinkLife } from '../../testkit/sql-sink-life.ts'
import { anySqlSink, openSqlTarget } from '../../testkit/sql-target.ts'
import { mysqlSink } from './sink.ts'

const sink = anySqlSink(mysqlSink)

/** Column, its definition, the value in DuckDB, and the text that the server shows. */
const VALUES: readonly (readonly [string, string, string, string | null])[] = [
  ['id', 'BIGINT UNSIGNED PRIMARY KEY', '18446744073709551615::UBIGINT', '18446744073709551615'],
  ['small', 'BIGINT', '(-9223372036854775808)::BIGINT', '-9223372036854775808'],
  ['wide', 'DECIMAL(65,30)', `'-${'9'.repeat(35)}.${'9'.repeat(30)}'`, `-${'9'.repeat(35)}.${'9'.repeat(30)}`],
  [
    'amount',
    'DECIMAL(38,30)',
    "'12345678.000000000000000000000000000001'::DECIMAL(38,30)",
    `12345678.${'0'.repeat(29)}1`,
  ],
  ['yes', 'BOOLEAN', 'true', '1'],
  ['double_', 'DOUBLE', '1.7976931348623157e308::DOUBLE', '1.7976931348623157e308'],
  ['tiny', 'DOUBLE', '5e-324::DOUBLE', '5e-324'],
  [
    'text_',
    'LONGTEXT',
    "'it''s \\ \"🦀\" ' || chr(10) || chr(13) || chr(9) || chr(26) || '%_'",
    'it\'s \\ "🦀" \n\r\t\x1a%_',
  ],
  ['nul', 'LONGTEXT', "'a' || chr(0) || 'b'", 'a\0b'],
  ['blank', 'VARCHAR(10)', "''", ''],
  ['bytes_', 'VARBINARY(20)', "'\\x00\\x27\\x5C\\x0A\\xFF'::BLOB", '00275c0aff'],
  ['zero', 'DATE', "'0000-00-00'", '0000-00-00'],
  ['day', 'DATE', "DATE '9999-12-31'", '9999-12-31'],
  ['at', 'DATETIME(6)', "TIMESTAMP '1000-01-01 00:00:00.000001'", '1000-01-01 00:00:00.000001'],
  ['moment', 'TIMESTAMP(6)', "TIMESTAMPTZ '2026-03-29 03:30:00.5+02'", '2026-03-29 01:30:00.500000'],
  ['clock', 'TIME(6)', "TIME '23:59:59.999999'", '23:59:59.999999'],
  [
    'doc',
    'JSON',
    `'{"a": "it''s \\\\ 🦀", "n": 12345678901234567890}'::JSON`,
    '{"a": "it\'s \\\\ 🦀", "n": 12345678901234567890}',
  ],
  ['nothing', 'INT', 'NULL::INTEGER', null],
]

for (const name of ['mariadb', 'mysql', 'mysql80'] as const) {
  describe(name, async () => {
    const server = await useDatabase(name)
    after(() => server[Symbol.asyncDispose]())

    for (const mode of ['upsert', 'transactional']) {
      test(`${mode}: values arrive byte for byte, and again over what is there`, async () => {
        await using target = await openSqlTarget(server.url)
        await target.query(
          `CREATE TABLE kinds (${VALUES.map(([column, type]) => `${column} ${type}`).join(', ')}) CHARACTER SET utf8mb4`,
        )
        const rows = `SELECT ${VALUES.map(([column, , value]) => `${value} AS ${column}`).join(', ')}`
        await using life = await SqlSinkLife.begin(sink, target, { table: 'kinds', key: ['id'], mode }, { rows })
        for (let turn = 0; turn < 2; turn++) {
          await life.load(rows)
          const [row = []] = await target.query(`SELECT ${VALUES.map(([column]) => column).join(', ')} FROM kinds`)
          const seen = row.map((cell, at) => (VALUES[at]?.[1] === 'DOUBLE' ? String(Number(cell)) : cell))
          const wanted = VALUES.map(([, type, , text]) => (type === 'DOUBLE' ? String(Number(text)) : text))
          assert.deepEqual(seen, wanted)
        }
      })
    }

    test('a value that the server would round stops the page', async () => {
      await using target = await openSqlTarget(server.url)
      await target.query('CREATE TABLE coarse (id INT PRIMARY KEY, amount DECIMAL(5,2))')
      const rows = "SELECT 1 AS id, '1.005' AS amount"
      await using life = await SqlSinkLife.begin(sink, target, { table: 'coarse', key: ['id'] }, { rows })
      const loading = async (): Promise<void> => await life.load(rows)
      await assert.rejects(loading(), (error) => error instanceof MillraceError && error.code === 'POISON')
      assert.deepEqual(await target.query('SELECT * FROM coarse'), [])
    })
  })
}

test('a server that dies in the middle of commits has each checkpoint once; its limits are seen', async () => {
  await using server = await startDatabase('mariadb', { settings: ['max_allowed_packet=1M'] })
  await using target = await openSqlTarget(server.url)
  await target.query('CREATE TABLE appended (id BIGINT)')
  const rows = 'SELECT range AS id FROM range(2000)'
  await using life = await SqlSinkLife.begin(sink, target, { table: 'appended' }, { rows })
  for (let turn = 1; turn <= 3; turn++) {
    await life.write(rows)
    const staged = await life.cut()
    const committing = life.commit(staged)
    await server.kill()
    await committing
    await server.restart()
    while ((await life.commit(staged)).some((outcome) => outcome === 'retry'));
    assert.deepEqual(await target.query('SELECT COUNT(*), COUNT(DISTINCT id) FROM appended'), [
      [String(2000 * turn), '2000'],
    ])
  }
  await server.restart()
  await using long = await SqlSinkLife.begin(
    sink,
    target,
    { table: 'long_', key: ['id'], createTable: true },
    { rows: "SELECT 1 AS id, '' AS text_" },
  )
  const loading = async (): Promise<void> => await long.load("SELECT 1 AS id, repeat('secret', 200000) AS text_")
  await assert.rejects(loading(), (error: unknown) => {
    assert.match(String(error), /a row makes a statement of \d+ bytes, and max_allowed_packet of the server is 1048576/)
    return error instanceof MillraceError && error.code === 'POISON'
  })
  await target.query('SET GLOBAL read_only = ON')
  const found = (await long.check()).filter(({ severity }) => severity === 'error').map(({ message }) => message)
  assert.match(found.join('; '), /max_allowed_packet .*; the server is read-only/)
})
