/** Tables whose files were merged, cleaned and archived, read by hudi-rs at every stage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HudiRelease, readHudi } from '../../../scripts/services/hudi-readers.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { type HudiLake, LAKE_SCHEMA, openHudiLake, until } from '../../testkit/hudi-lake.ts'
import { loadTimeline } from './timeline.ts'

const RELEASES: readonly HudiRelease[] = process.env['MILLRACE_FULL'] === undefined ? ['0.5.0'] : ['0.5.0', '0.4.0']
const RULES = { partitionBy: ["strftime(ts, '%Y-%m-%d') AS dt"], targetFileSize: 64 * 1024 }

async function mustShow(lake: HudiLake, rows: number, releases: readonly HudiRelease[] = RELEASES): Promise<void> {
  for (const release of releases) {
    const read = await readHudi(lake.path, { release, key: 'id', sum: 'amount' })
    assert.deepEqual([read.rows, read.distinctKeys], [rows, rows], release)
    assert.equal(read.sum, (rows * (rows - 1) * 0.625).toFixed(2), release)
  }
}

async function mergesOf({ store }: HudiLake, state: 'pending' | 'completed'): Promise<number> {
  const { completedWrites, pendingWrites } = await loadTimeline(store)
  const writes = state === 'pending' ? pendingWrites : completedWrites
  return writes.filter(({ action }) => action === 'replacecommit').length
}

test('readers find every row once before a merge, beside it, after it, and when its inputs are gone', async () => {
  await using lake = await openHudiLake({ options: { ...RULES, retainedCommits: 3, timelineCommits: 10 } })
  let rows = 0
  const load = async (): Promise<void> => {
    await lake.load(rows, rows + 300)
    rows += 300
  }
  while ((await mergesOf(lake, 'pending')) === 0) await load()
  const start = (await loadTimeline(lake.store)).completedWrites.at(-1)?.time ?? ''
  const before = rows
  // Releases that do not ask the timeline show a merge that is written and not committed: as with Hudi's own.
  await mustShow(lake, rows, ['0.5.0'])

  await until(async () => {
    await load()
    return (await mergesOf(lake, 'completed')) > 0
  })
  await mustShow(lake, rows)
  const since = await readHudi(lake.path, { since: start, key: 'id' })
  assert.deepEqual([since.rows, since.distinctKeys], [rows - before, rows - before])
  assert.equal((await readHudi(lake.path, { asOf: start, key: 'id' })).rows, before)

  await until(async () => {
    await load()
    const archived = await Array.fromAsync(lake.store.list('.hoodie/archived/'))
    return archived.length > 0
  })
  const { snapshot } = await viewHudiTable(lake.store)
  assert.ok(snapshot.length < rows / 100 / 2, 'three files for each checkpoint would be twice as many')
  await mustShow(lake, rows, (await mergesOf(lake, 'pending')) > 0 ? ['0.5.0'] : RELEASES)
})

test('rows of a merge keep their names, their times and their values, also in columns that came later', async () => {
  const options = { ...RULES, partitionBy: [] }
  await using lake = await openHudiLake({ options })
  for (let load = 0; load < 8; load++) await lake.load(load * 10, load * 10 + 10)
  const schema = [...LAKE_SCHEMA, { name: 'extra', type: 'integer', nullable: true }]
  await using grown = await openHudiLake({
    on: lake,
    epoch: 2,
    options: { ...options, schemaChange: 'evolve' },
    schema,
  })
  const columns = ['id', '_hoodie_commit_time', '_hoodie_commit_seqno', '_hoodie_record_key', 'amount', 'note', 'ts']
  for (let load = 8; load < 16; load++) await grown.load(load * 10, load * 10 + 10)
  const before = await readHudi(lake.path, { columns })
  await until(async () => {
    await grown.load(160, 160)
    return (await mergesOf(grown, 'completed')) > 0
  })
  const after = await readHudi(lake.path, { columns: [...columns, 'extra', '_hoodie_file_name'] })
  const byId = (found: typeof after, column: string): unknown =>
    (found.columns?.['id'] ?? []).map((id, at) => [Number(id), found.columns?.[column]?.[at]]).toSorted(byFirst)
  assert.equal(after.rows, before.rows)
  for (const column of columns) assert.deepEqual(byId(after, column), byId(before, column), column)
  const extra = new Map(byId(after, 'extra') as [number, string | null][])
  assert.deepEqual([extra.get(79), extra.get(80)], [null, '80'])
  const names = new Set(after.columns?.['_hoodie_file_name'])
  assert.deepEqual([...names], (await viewHudiTable(lake.store)).snapshot)
})

function byFirst([a]: unknown[], [b]: unknown[]): number {
  return Number(a) - Number(b)
}
