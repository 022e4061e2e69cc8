/** The real program fills a database file, and is killed at every step of a commit on the way. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { JobHome } from './faults-kit/job-home.ts'

const FILES = 12
const ROWS = 2000
const CELLS = [
  'sink.flush:before',
  'sink.prepare:after',
  'store.manifest.publish:before',
  'store.manifest.publish:after',
  'commit:before',
  'commit:sent',
  'commit:after',
  'confirm:before',
  'restore.recommit:before',
]

async function query(home: JobHome, sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(path.join(home.directory, 'out', 'rows.duckdb'))
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

test('rows and counters by key come through kills at every step, each once', async (t) => {
  await using home = await JobHome.create()
  for (let file = 0; file < FILES; file++) {
    const lines = Array.from({ length: ROWS }, (_, at) => `{"id":${file * ROWS + at},"name":"n${at % 10}"}\n`)
    home.put(`in/${String(file).padStart(2, '0')}.ndjson`, lines.join(''))
  }
  home.write({
    sources: 'in: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}}',
    transforms: 'seen: {from: in, sql: "SELECT id % 100 AS slot, id AS last FROM \\"in\\""}',
    sinks:
      'all: {from: in, connector: duckdb, path: ./out/rows.duckdb, table: rows}, ' +
      'slots: {from: seen, connector: duckdb, path: ./out/rows.duckdb, table: slots, key: slot}',
    parallelism: 2,
    interval: '100ms',
  })
  let killed = 0
  for (const cell of CELLS) {
    await using job = home.run({ MILLRACE_FAILPOINTS: `${cell}@1=kill` })
    const { signal } = await job.ended()
    if (signal === 'SIGKILL') killed++
    t.diagnostic(`${cell}: ${signal ?? 'not reached'}`)
  }
  assert.ok(killed >= CELLS.length / 2, `${killed} kills`)
  await using last = home.run()
  assert.deepEqual(await last.ended(), { code: 0, signal: null }, last.err)
  const count = FILES * ROWS
  assert.deepEqual(await query(home, 'SELECT count(*)::INT, count(DISTINCT id)::INT, max(id)::INT FROM rows'), [
    [count, count, count - 1],
  ])
  assert.deepEqual(
    await query(home, 'SELECT count(*)::INT, count(DISTINCT slot)::INT, bool_and(last % 100 = slot) FROM slots'),
    [[100, 100, true]],
  )
})
