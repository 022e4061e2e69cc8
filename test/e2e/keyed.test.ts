/** A table that keeps one row for each key, fed by two writers from two files that share their keys. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { armed, type Cell } from './kit/cells.ts'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { sinkOf, startWarehouse } from './faults-kit/warehouse.ts'

const ROWS = 40_000
const KEYS = 500
const FILES = [0, 1]

const DEATHS: readonly Cell[] = [
  { name: 'chk.align', position: 'after', nth: 2 },
  { name: 'sink.prepare', position: 'after', nth: 3 },
  { name: 'commit', position: 'sent', nth: 1 },
]

for (const kind of ['starrocks', 'doris'] as const) {
  test(`${kind}: each key ends with the last row of one of its splits, wherever the job is killed`, async () => {
    const columns = ['k', 'part', 'seq'].map((name) => ({ name, type: 'BIGINT' }))
    const table = { database: 'demo', table: 'events', model: 'primary', keys: ['k'], columns } as const
    await using server = await startWarehouse(kind, { tables: [table] })
    await using home = await PipelineHome.create()
    mkdirSync(path.join(home.directory, 'in'))
    for (const part of FILES) {
      const lines = Array.from({ length: ROWS }, (_, seq) => `{"k":${(seq * 7) % KEYS},"part":${part},"seq":${seq}}\n`)
      writeFileSync(path.join(home.directory, 'in', `${part}.ndjson`), lines.join(''))
    }
    home.write({
      sources: 'rows: {connector: file, path: ./in, format: json, schema: {k: bigint, part: bigint, seq: bigint}}',
      sinks: `out: {from: rows, ${sinkOf(kind, server)}, key: [k], writers: 2}`,
    })
    for (const cell of DEATHS) {
      await using run = home.start(armed(cell, 'kill'))
      const { signal } = await run.ended()
      // A fast machine is through before the last ones.
      if (signal !== 'SIGKILL') break
    }
    await using run = home.start()
    await endedWell(run)

    const rows = server.rows('demo', 'events')
    assert.equal(rows.length, KEYS)
    for (const { k, seq } of rows) {
      const last = Array.from({ length: KEYS }, (_, back) => ROWS - 1 - back).find(
        (one) => (one * 7) % KEYS === Number(k),
      )
      assert.equal(Number(seq), last, `key ${String(k)}`)
    }
    const writers = new Set(server.transactions().map(({ label }) => /_(\d+)_e\d+_/.exec(label)?.[1]))
    assert.deepEqual(writers, new Set(['0', '1']), 'both writers had rows')
    assertBalanced(await home.entries())
  })
}
