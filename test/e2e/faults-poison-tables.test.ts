/** Records that travel as tables, or that a sink refuses while it writes: they are named as exactly as bytes are. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { suite, test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { halted, JobHome, type Halted } from './faults-kit/job-home.ts'
import { EVENTS, idsOf, openTransactions, sinkOf, startWarehouse } from './faults-kit/warehouse.ts'

const ROWS = 3000
const BAD = 1234
/** Too long for its column; must never be printed. */
const CANARY = 'canary-of-a-row'

const lines = (of: (id: number) => string): string[] => Array.from({ length: ROWS }, (_, id) => of(id))
const byteOf = (before: readonly string[]): number => Buffer.byteLength(before.map((line) => `${line}\n`).join(''))

/** Halts with the place of the record, and says nothing of what it holds. */
async function refusal(home: JobHome): Promise<Halted['event']> {
  await using run = home.run()
  const { code, event, err } = await halted(run)
  assert.equal(code, 71, run.out + err)
  assert.ok(!(run.out + err).includes(CANARY))
  return event
}

suite('refused records', { concurrency: 2 }, () => {
  test('a row of a CSV file that the server filters is named by file, byte and record', async () => {
    await using home = await JobHome.create()
    await using server = await startWarehouse()
    const records = lines((id) => `${id},${id === BAD ? CANARY : 'x'}`)
    home.put('in/rows.csv', `id,name\n${records.join('\n')}\n`)
    home.write({
      sources: 'ev: {connector: file, path: ./in, format: csv, schema: {id: bigint, name: varchar}}',
      sinks: `out: {from: ev, ${sinkOf('starrocks', server)}}`,
    })
    const { message, detail } = await refusal(home)
    const byte = byteOf(['id,name', ...records.slice(0, BAD)])
    assert.match(String(message), new RegExp(`rows.csv, byte ${byte}, record ${BAD}\\b`))
    assert.deepEqual([detail['offset'], detail['row']], [String(byte), BAD])
    assert.deepEqual([idsOf(server), openTransactions(server)], [[], []])
  })

  test('a row of a Parquet file that the server filters is named by file and record', async () => {
    await using home = await JobHome.create()
    await using server = await startWarehouse('doris')
    const file = path.join(home.directory, 'in', 'rows.parquet')
    const database = await DuckDBInstance.create(':memory:')
    const connection = await database.connect()
    await connection.run(
      `COPY (SELECT range AS id, CASE WHEN range = ${BAD} THEN '${CANARY}' ELSE 'x' END AS name FROM range(${ROWS})) ` +
        `TO '${file}' (FORMAT parquet)`,
    )
    connection.closeSync()
    database.closeSync()
    home.write({
      sources: 'ev: {connector: file, path: ./in, format: parquet}',
      sinks: `out: {from: ev, ${sinkOf('doris', server)}}`,
    })
    const { message, detail } = await refusal(home)
    assert.match(String(message), new RegExp(`rows.parquet, record ${BAD}\\b`))
    assert.equal(detail['row'], BAD)
    assert.deepEqual([idsOf(server), openTransactions(server)], [[], []])
  })

  test('a row that is refused behind an exchange between lanes is named by file and byte', async () => {
    await using home = await JobHome.create()
    const key = { ...EVENTS, model: 'primary', keys: ['id'] } as const
    await using server = await startWarehouse('starrocks', { tables: [key] })
    const records = lines((id) => `{"id":${id},"name":"${id === BAD ? CANARY : 'x'}"}`)
    home.put('in/rows.ndjson', `${records.join('\n')}\n`)
    home.put('in/more.ndjson', `{"id":${ROWS},"name":"x"}\n`)
    home.write({
      parallelism: 2,
      sources: 'ev: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}',
      sinks: `out: {from: ev, ${sinkOf('starrocks', server)}, key: [id], writers: 2}`,
    })
    const { detail } = await refusal(home)
    assert.deepEqual([detail['split'], detail['offset']], ['in/rows.ndjson', String(byteOf(records.slice(0, BAD)))])
    assert.deepEqual([idsOf(server), openTransactions(server)], [[], []])
  })

  for (const { sink, sql, options } of [
    {
      sink: 'files',
      sql: `SELECT id, CASE WHEN name = 'bad' THEN CAST('nan' AS DOUBLE) ELSE 0.5 END AS share FROM ev`,
      options: 'connector: files, path: ./out, format: csv',
    },
    {
      sink: 'hudi',
      sql: `SELECT id, CASE WHEN name = 'bad' THEN 'no day' ELSE '2026-01-02' END AS day FROM ev`,
      options: `connector: hudi, path: ./lake, table: events, partitionBy: ['CAST(day AS DATE) AS dt']`,
    },
  ]) {
    test(`${sink}: a value that the sink cannot write is named by the file and byte of its record`, async () => {
      await using home = await JobHome.create()
      const records = lines((id) => `{"id":${id},"name":"${id === BAD ? 'bad' : 'good'}"}`)
      home.put('in/rows.ndjson', `${records.join('\n')}\n`)
      home.write({
        parallelism: 2,
        sources: 'ev: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}',
        transforms: `made: {from: ev, sql: "${sql}"}`,
        sinks: `out: {from: made, ${options}}`,
      })
      const { message, detail } = await refusal(home)
      const byte = byteOf(records.slice(0, BAD))
      assert.match(String(message), new RegExp(`rows.ndjson, byte ${byte}, record ${BAD}\\b`))
      assert.deepEqual([detail['offset'], detail['row']], [String(byte), BAD])
    })
  }
})
