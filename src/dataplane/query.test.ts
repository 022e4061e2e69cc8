import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutAtRows } from './bytes-piece.ts'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import type { QueryOutput } from './output.ts'
import { openQuery, type QueryResult } from './query.ts'
import { parseColumnType, type Column } from './types.ts'

const COLUMNS: readonly Column[] = columnsOf({ id: 'bigint', name: 'varchar', amount: 'decimal(18,2)' })

function columnsOf(types: Record<string, string>): Column[] {
  return Object.entries(types).map(([name, type]) => ({ name, type: parseColumnType(type), nullable: true }))
}

function open(): Promise<LaneDatabase> {
  return openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
}

async function run(database: LaneDatabase, sql: string, output: QueryOutput, lines: string[]): Promise<QueryResult> {
  const input = { format: 'ndjson', name: 'rows', columns: COLUMNS } as const
  const query = await openQuery(database, { input, sql, output })
  const buffer = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  try {
    return await query.run({ buffer, length: buffer.length, rows: lines.length })
  } finally {
    query.close()
  }
}

function textOf(result: QueryResult): string {
  assert.ok(result.ok, JSON.stringify(result))
  return result.buffer.toString('utf8', 0, result.length)
}

const LINES = ['{"id":1,"name":"a","amount":1234567890123456.78}', '{"id":2}', '{"name":null,"id":9007199254740993}']

test('rows of JSON go through SQL and come out as lines of JSON with every digit', async () => {
  await using database = await open()
  const result = await run(database, 'SELECT id, name, amount FROM rows WHERE id <> 2', { format: 'ndjson' }, LINES)
  assert.equal(
    textOf(result),
    '{"id":1,"name":"a","amount":1234567890123456.78}\n{"id":9007199254740993,"name":null,"amount":null}\n',
  )
  assert.ok(result.ok && result.rows === 2)
})

test('rows for a JSON array are separated by commas', async () => {
  await using database = await open()
  const result = await run(database, 'SELECT id FROM rows', { format: 'json-array' }, LINES)
  assert.equal(textOf(result), '{"id":1},{"id":2},{"id":9007199254740993},')
})

const CSV = { format: 'csv', separator: '\x01', nullText: '\\N', special: 'refuse' } as const

test('rows come out as CSV with a text for NULL that is not the empty string', async () => {
  await using database = await open()
  const sql = `SELECT id, name, '' AS empty, amount FROM rows`
  const result = await run(database, sql, CSV, LINES)
  assert.equal(
    textOf(result),
    '1\x01a\x01\x011234567890123456.78\n2\x01\\N\x01\x01\\N\n9007199254740993\x01\\N\x01\x01\\N\n',
  )
})

test('a CSV value that the form cannot carry is an error of its row', async () => {
  await using database = await open()
  for (const name of ['a\\u0001b', 'a\\nb', '\\\\N']) {
    const lines = ['{"id":1,"name":"x"}', `{"id":2,"name":"${name}"}`, '{"id":3}']
    const result = await run(database, 'SELECT id, name FROM rows', CSV, lines)
    assert.ok(!result.ok)
    assert.deepEqual(
      result.errors.map(({ row, byteStart }) => [row, byteStart]),
      [[1, 20]],
    )
  }
})

test('a CSV value that only looks special is carried as it is', async () => {
  await using database = await open()
  const lines = ['{"id":1,"name":"a\\rb\\u0002c#\\"d"}', '{"id":2,"name":"#x"}']
  const result = await run(database, 'SELECT id, name FROM rows', CSV, lines)
  assert.equal(textOf(result), '1\x01a\rb\x02c#"d\n2\x01#x\n')
})

test('Parquet can be read back by the same database', async () => {
  await using database = await open()
  const result = await run(
    database,
    'SELECT * FROM rows',
    { format: 'parquet', compression: 'zstd', metadata: { made: "by 'us'" } },
    LINES,
  )
  assert.ok(result.ok && result.rows === 3)
  database.input.write(result.buffer, result.length)
  const rows = await database.run(
    `SELECT count(*), max(id), max(amount)::VARCHAR FROM read_parquet('${database.input.path}')`,
  )
  assert.deepEqual(rows, [[3n, 9007199254740993n, '1234567890123456.78']])
})

test('a row that the SQL fails on is named, without its value', async () => {
  await using database = await open()
  const lines = Array.from({ length: 50 }, (_, index) => `{"id":${index},"name":"${index === 33 ? 'secret' : index}"}`)
  const result = await run(database, 'SELECT CAST(name AS integer) AS n FROM rows', { format: 'ndjson' }, lines)
  assert.ok(!result.ok)
  assert.deepEqual(
    result.errors.map(({ row }) => row),
    [33],
  )
  assert.ok(!JSON.stringify(result.errors).includes('secret'))
})

test('NaN is an error of its row by default, or NULL when asked for', async () => {
  await using database = await open()
  const sql = `SELECT id, CASE WHEN id = 2 THEN 'nan'::double ELSE 0.5::float END AS x FROM rows`
  const refused = await run(database, sql, { format: 'ndjson' }, LINES)
  assert.ok(!refused.ok)
  assert.deepEqual(
    refused.errors.map(({ row, column, reason }) => [row, column, reason]),
    [[1, 'x', 'NaN or infinite number']],
  )
  const asNull = await run(database, sql, { format: 'ndjson', nonFinite: 'null' }, LINES)
  assert.match(textOf(asNull), /^\{"id":1,"x":0.5\}\n\{"id":2,"x":null\}\n/)
})

test('SQL cannot leave the lane: no files, no settings, no extensions', async () => {
  await using database = await open()
  for (const sql of [
    `SELECT * FROM read_csv('/etc/passwd')`,
    `SELECT * FROM read_text('/etc/hostname')`,
    `SELECT * FROM glob('/*')`,
    `COPY (SELECT 1) TO '/tmp/millrace-escape'`,
    `ATTACH '/tmp/millrace-escape.db'`,
    `INSTALL httpfs`,
    `LOAD httpfs`,
    `SET enable_external_access = true`,
    `SET memory_limit = '1TB'`,
  ]) {
    await assert.rejects(database.run(sql), sql)
  }
})

test('a result larger than the hand-over bound is read whole', async () => {
  await using database = await open()
  const sql = `SELECT id, repeat('x', 4000000) AS long FROM rows`
  const result = await run(database, sql, { format: 'ndjson' }, LINES)
  assert.equal(
    textOf(result).length,
    3 * 4_000_000 + `{"id":1,"long":""}\n`.length * 2 + `{"id":9007199254740993,"long":""}\n`.length,
  )
})

test('a closed database refuses work and closing twice is harmless', async () => {
  const database = await open()
  const endless = database.run('SELECT count(*) FROM range(1e15::bigint)')
  const refusal = assert.rejects(endless, { code: 'INTERRUPTED' })
  await Promise.all([database.close(), database.close()])
  await refusal
  await assert.rejects(database.run('SELECT 1'), { code: 'INTERRUPTED' })
})

test('a result can stay in the database as the input of the next step', async () => {
  await using database = await open()
  const input = { format: 'ndjson', name: 'rows', columns: COLUMNS } as const
  const first = await openQuery(database, {
    input,
    sql: 'SELECT id, id + 1 AS next FROM rows WHERE id > 1',
    output: { format: 'table', table: 'step one' },
  })
  const second = await openQuery(database, {
    input: { format: 'table', name: 'one', columns: first.columns, table: 'step one' },
    sql: 'SELECT next - id AS one FROM one WHERE next > 3',
    output: { format: 'ndjson' },
  })
  for (const [ids, wanted] of [
    [[1, 2, 3], '{"one":1}\n'],
    [[7, 8], '{"one":1}\n{"one":1}\n'],
    [[0], ''],
  ] as const) {
    const buffer = Buffer.from(ids.map((id) => `{"id":${id}}\n`).join(''))
    const kept = await first.run({ buffer, length: buffer.length, rows: ids.length })
    assert.deepEqual(kept.ok && kept.rows, ids.filter((id) => id > 1).length)
    assert.equal(textOf(await second.run()), wanted)
  }
})

test('rows are cut into pieces between rows', () => {
  const buffer = Buffer.from('1\n22\n333\n4444444\n5\n')
  const cut = [...cutAtRows({ buffer, length: buffer.length, rows: 5 }, 5)]
  assert.deepEqual(
    cut.map(({ buffer: bytes, length, rows }) => [bytes.toString('utf8', 0, length), rows]),
    [
      ['1\n22\n', 2],
      ['333\n', 1],
      ['4444444\n', 1],
      ['5\n', 1],
    ],
  )
})

test('SQL that does not fit the relation is refused when planning', async () => {
  await using database = await open()
  await assert.rejects(run(database, 'SELECT missing FROM rows', { format: 'ndjson' }, []), {
    code: 'CONFIG',
    message: /^planning the SQL over "rows": Binder Error: .*missing/,
  })
  await assert.rejects(run(database, 'SELECT id, [id] AS list FROM rows', { format: 'ndjson' }, []), {
    code: 'CONFIG',
    message: /to_json/,
  })
})

test('no row of an earlier piece comes back, however fast pieces follow each other', async () => {
  await using database = await open()
  const input = { format: 'ndjson', name: 'rows', columns: COLUMNS } as const
  const query = await openQuery(database, { input, sql: 'SELECT id FROM rows', output: { format: 'ndjson' } })
  for (let number = 100; number < 300; number++) {
    // All pieces have the same length, so only their contents differ.
    const buffer = Buffer.from(`{"id":${number}}\n{"id":${number}}\n`)
    assert.equal(textOf(await query.run({ buffer, length: buffer.length, rows: 2 })), buffer.toString())
  }
})

test('no byte of an earlier Parquet file is used for a later one under the same path', async () => {
  await using database = await open()
  for (let number = 100; number < 200; number++) {
    const lines = Array.from({ length: 3 }, () => `{"id":${number}}`)
    const result = await run(database, 'SELECT id FROM rows', { format: 'parquet', compression: 'snappy' }, lines)
    assert.ok(result.ok)
    database.input.write(result.buffer, result.length)
    const rows = await database.run(`SELECT count(*), min(id), max(id) FROM read_parquet('${database.input.path}')`)
    assert.deepEqual(rows, [[3n, BigInt(number), BigInt(number)]])
  }
})
