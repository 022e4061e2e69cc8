import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startDatabase, useDatabase } from '../../../scripts/services/databases.ts'
import { SqlSinkLife } from '../../testkit/sql-sink-life.ts'
import { anySqlSink, openSqlTarget } from '../../testkit/sql-target.ts'
import { postgresSink } from './sink.ts'

const sink = anySqlSink(postgresSink)
const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

/** Column, its definition, the value in DuckDB, and the text that the server shows. */
const VALUES: readonly (readonly [string, string, string, string | null])[] = [
  ['id', 'numeric(20,0) PRIMARY KEY', '18446744073709551615::UBIGINT', '18446744073709551615'],
  ['small', 'bigint', '(-9223372036854775808)::BIGINT', '-9223372036854775808'],
  ['wide', 'numeric', `'-${'9'.repeat(65)}.${'9'.repeat(30)}'`, `-${'9'.repeat(65)}.${'9'.repeat(30)}`],
  ['amount', 'numeric(38,38)', "'0.00000000000000000000000000000000000001'::DECIMAL(38,38)", `0.${'0'.repeat(37)}1`],
  ['yes', 'boolean', 'true', 't'],
  ['double_', 'double precision', '1.7976931348623157e308::DOUBLE', '1.7976931348623157e+308'],
  ['endless', 'double precision', "'-infinity'::DOUBLE", '-Infinity'],
  ['nan_', 'real', "'nan'::FLOAT", 'NaN'],
  [
    'text_',
    'text',
    "'it''s \\ \"🦀\" (a,b) {c} ' || chr(10) || chr(13) || chr(9) || '%_'",
    'it\'s \\ "🦀" (a,b) {c} \n\r\t%_',
  ],
  ['empty', 'text', "''", ''],
  ['word', 'text', "'NULL'", 'NULL'],
  ['bytes_', 'bytea', "'\\x00\\x27\\x5C\\x0A\\xFF'::BLOB", '\\x00275c0aff'],
  ['day', 'date', "DATE '9999-12-31'", '9999-12-31'],
  ['at', 'timestamp(6)', "TIMESTAMP '1000-01-01 00:00:00.000001'", '1000-01-01 00:00:00.000001'],
  ['moment', 'timestamptz', "TIMESTAMPTZ '2026-03-29 03:30:00.5+02'", '2026-03-29 01:30:00.5+00'],
  ['clock', 'time(6)', "TIME '23:59:59.999999'", '23:59:59.999999'],
  [
    'doc',
    'jsonb',
    `'{"a": "it''s \\\\ 🦀", "n": 12345678901234567890}'::JSON`,
    '{"a": "it\'s \\\\ 🦀", "n": 12345678901234567890}',
  ],
  ['who', 'uuid', "'00112233-4455-6677-8899-aabbccddeeff'::UUID", '00112233-4455-6677-8899-aabbccddeeff'],
  ['nothing', 'integer', 'NULL::INTEGER', null],
]

for (const mode of ['upsert', 'transactional']) {
  test(`${mode}: values arrive byte for byte, and again over what is there`, async () => {
    await using target = await openSqlTarget(server.url)
    // Columns that the rows do not have, in the middle and dropped, do not move the others.
    const columns = VALUES.map(([column, type]) => `${column} ${type}`)
    await target.query(
      `CREATE TABLE kinds (gone int, ${columns.join(', own int DEFAULT 7, ')}`.replaceAll(
        /own int DEFAULT 7, (?!small)/g,
        '',
      ) + ')',
    )
    await target.query('ALTER TABLE kinds DROP COLUMN gone')
    const rows = `SELECT ${VALUES.map(([column, , value]) => `${value} AS ${column}`).join(', ')}`
    await using life = await SqlSinkLife.begin(sink, target, { table: 'kinds', key: ['id'], mode }, { rows })
    for (let turn = 0; turn < 2; turn++) {
      await life.load(rows)
      const [row = []] = await target.query(`SELECT ${VALUES.map(([column]) => column).join(', ')} FROM kinds`)
      assert.deepEqual(
        row,
        VALUES.map(([, , , text]) => text),
      )
      assert.deepEqual(await target.query('SELECT own FROM kinds'), [['7']])
    }
  })
}

test('a server that dies in the middle of commits has each checkpoint once', async () => {
  await using own = await startDatabase('postgres')
  await using target = await openSqlTarget(own.url)
  await target.query('CREATE TABLE appended (id bigint)')
  const rows = 'SELECT range AS id FROM range(2000)'
  await using life = await SqlSinkLife.begin(sink, target, { table: 'appended' }, { rows })
  for (let turn = 1; turn <= 2; turn++) {
    await life.write(rows)
    const staged = await life.cut()
    const committing = life.commit(staged)
    await own.kill()
    await committing
    await own.restart()
    while ((await life.commit(staged)).some((outcome) => outcome === 'retry'));
    assert.deepEqual(await target.query('SELECT COUNT(*), COUNT(DISTINCT id) FROM appended'), [
      [String(2000 * turn), '2000'],
    ])
  }
  await target.query(`ALTER DATABASE ${new URL(target.url).pathname.slice(1)} SET default_transaction_read_only = on`)
  const found = (await life.check()).filter(({ severity }) => severity === 'error').map(({ message }) => message)
  assert.match(found.join('; '), /the server is read-only/)
})
