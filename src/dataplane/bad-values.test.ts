/** Values that would be changed or guessed at are errors of their rows. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openLaneDatabase, type LaneDatabase } from './lane-database.ts'
import { openQuery } from './query.ts'
import type { CsvDialect } from './relation.ts'
import { duckType, parseColumnType } from './types.ts'

let database: LaneDatabase
before(async () => {
  database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
})
after(() => database.close())

const DIALECT: CsvDialect = { separator: ',', nullText: '\\N', quote: '"', lineEnd: '\n' }

test('what DuckDB alone would change without a word is an error of its row', async () => {
  const cases: [string, string][] = [
    ['bigint', '{"v":1.5}'],
    ['bigint', '{"v":true}'],
    ['bigint', '{"v":1e2}'],
    ['decimal(12,2)', '{"v":12.345}'],
    ['decimal(12,2)', '{"v":false}'],
    ['timestamp', '{"v":"2024-05-06T07:08:09+08:00"}'],
    ['timestamp(3)', '{"v":"2024-05-06 07:08:09.1239"}'],
    ['bigint', '17'],
    ['varchar', '17'],
    ['bigint', 'null'],
    ['double', '{"v":NaN}'],
    ['double', '{"v":1e400}'],
    ['double', '{"v":Infinity}'],
    ['boolean', '{"v":1}'],
    ['varchar', '{"v":1}'],
    ['date', '{"v":"2024-05-06 07:08:09"}'],
  ]
  for (const [typeText, line] of cases) {
    const columns = [{ name: 'v', type: parseColumnType(typeText), nullable: true }]
    const query = await openQuery(database, {
      input: { format: 'ndjson', name: 't', columns },
      sql: 'SELECT v FROM t',
      output: { format: 'ndjson' },
    })
    const buffer = Buffer.from(`{}\n${line}\n`)
    const result = await query.run({ buffer, length: buffer.length, rows: 2 })
    assert.ok(!result.ok, `${duckType(parseColumnType(typeText))} ${line}`)
    assert.deepEqual(
      result.errors.map(({ row }) => row),
      [1],
    )
    query.close()
  }
})

test('CSV has the same rules for values', async () => {
  const run = async (typeText: string, body: string, rows: number): Promise<string> => {
    const columns = [
      { name: 'v', type: parseColumnType(typeText), nullable: false },
      { name: 'w', type: parseColumnType('varchar'), nullable: true },
    ]
    const query = await openQuery(database, {
      input: { format: 'csv', name: 't', columns, csv: DIALECT },
      sql: 'SELECT v, w FROM t',
      output: { format: 'ndjson' },
    })
    const buffer = Buffer.from(body)
    const result = await query.run({ buffer, length: buffer.length, rows })
    query.close()
    return result.ok
      ? result.buffer.toString('utf8', 0, result.length)
      : result.errors.map(({ row, column, reason }) => `${row} ${column} ${reason}`).join('\n')
  }
  assert.equal(await run('bigint', '1,x\n"2",\n3,\\N\n', 3), '{"v":1,"w":"x"}\n{"v":2,"w":""}\n{"v":3,"w":null}\n')
  assert.match(await run('bigint', '1,x\n1.5,x\n', 2), /^1 v a fraction/)
  assert.match(await run('bigint', '1\n', 1), /^0  not as many fields/)
  assert.match(await run('bigint', '1,x,y\n', 1), /^0  not as many fields/)
  assert.match(await run('bigint', '\\N,x\n', 1), /^0 v NULL/)
  assert.match(await run('bigint', '1,"x\n2,y\n', 2), /^0 w a quote/)
  assert.match(await run('bigint', '1,"x"y\n', 1), /^0  a quote/)
  assert.match(await run('boolean', '1,x\n', 1), /^0 v not true or false/)
  assert.match(await run('decimal(5,2)', '1.234,x\n', 1), /^0 v more digits after/)
  assert.match(await run('timestamp', '2024-01-01 00:00:00Z,x\n', 1), /^0 v a zone offset/)
  assert.match(await run('double', 'NaN,x\n', 1), /^0 v not a number/)
  assert.match(await run('bigint', '1 ,x\n', 1), /^0 v not a value/)
})
