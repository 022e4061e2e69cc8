/**
 * Proves that a Hudi table shows every row once, wherever the process dies. A small pipeline (source, checkpoint log,
 * two lanes) runs over a store that stops after k changes, for every k; the next run, which may die as well, goes on
 * from the last published checkpoint; a last run ends the work. After every run a checker that knows only the readers'
 * rules looks at the table.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { isStopped, MemoryFileStore } from '../../testkit/memory-file-store.ts'
import { commitInstant, requestInstant } from './commit.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { PreparedCommit } from './prepared-commit.ts'
import { dataFileName, formatDataFileName } from './file-name.ts'
import { createMarker } from './markers.ts'
import type { Owner } from './owner.ts'
import { ensurePartition, joinPath, partitionPath } from './partition.ts'
import { sweepTable } from './sweep.ts'
import { createTable, type HudiTable } from './table.ts'
import { loadTimeline } from './timeline.ts'

const SINK = { job: 'job', sink: 'lake' }
const ROWS = 6
const ROWS_PER_CHECKPOINT = 2
const START_MS = Date.UTC(2026, 10, 21)

/** What survives a crash besides the table: the checkpoint log. */
interface Log {
  epoch: number
  checkpoint: number
  /** Rows up to here belong to published checkpoints. */
  position: number
  pending: PreparedCommit[]
}

for (const partitionFields of [[], ['dt']]) {
  const table: HudiTable = {
    name: 't',
    database: '',
    partitionFields,
    recordKeyFields: [],
    hiveStyle: true,
    urlEncode: false,
  }
  const shape = partitionFields.length === 0 ? 'without partitions' : 'with partitions'

  test(`a table ${shape} shows every row once after a kill at any change and another one at any change after it`, async () => {
    const whole = await changesOfARun(table)
    for (let first = 0; first < whole; first++) {
      for (let second = 0; second <= whole; second += first % 4 === 0 ? 2 : 13) {
        await killTwice(table, first, second)
      }
    }
  })
}

async function killTwice(table: HudiTable, first: number, second: number): Promise<void> {
  const files = new Map<string, Uint8Array>()
  const log: Log = { epoch: 0, checkpoint: 0, position: 0, pending: [] }
  for (const stop of [first, second, undefined]) {
    const store = new MemoryFileStore(files)
    if (stop !== undefined) store.stopAfter(stop)
    try {
      await run(store, table, log)
    } catch (thrown) {
      if (!isStopped(thrown)) throw thrown
    }
    if (files.has('.hoodie/hoodie.properties')) await mustBeConsistent(files, log, `kills ${first}, ${second}`)
  }
  const view = await viewHudiTable(new MemoryFileStore(files))
  assert.deepEqual(rowsOf(files, view.snapshot), allRows(ROWS), `kills ${first}, ${second}`)
  // With nothing pending all readers agree, also those that only list files, and no litter is left.
  assert.deepEqual([view.upToNewest, view.listed, view.pending], [view.snapshot, view.snapshot, []])
  assert.deepEqual(
    [...files.keys()].filter((path) => path.startsWith('.hoodie/.temp/')),
    [],
  )
}

/** At any moment readers see whole published checkpoints, in order, each once. */
async function mustBeConsistent(files: Map<string, Uint8Array>, log: Log, where: string): Promise<void> {
  const view = await viewHudiTable(new MemoryFileStore(files))
  assert.deepEqual(view.problems, [], where)
  const rows = rowsOf(files, view.snapshot)
  assert.deepEqual(rows, allRows(rows.length), where)
  assert.ok(rows.length <= log.position, where)
  assert.equal(rows.length % ROWS_PER_CHECKPOINT, 0, where)
  assert.deepEqual(view.upToNewest, view.snapshot, where)
}

/** One process, from start to end: the order of steps that the engine promises to its sinks. */
async function run(store: MemoryFileStore, table: HudiTable, log: Log): Promise<void> {
  const epoch = ++log.epoch
  let clock = START_MS + epoch
  await createTable(store, table, '{"type":"record","name":"t_record","fields":[]}')
  for (const prepared of [...log.pending]) await commitAndConfirm(store, log, prepared)
  await sweepTable(store, { sink: SINK, below: epoch, keep: new Set(), nowMs: clock })
  while (log.position < ROWS) {
    const checkpoint = ++log.checkpoint
    const owner = { ...SINK, epoch, checkpoint }
    const instant = (await loadTimeline(store)).next(clock++)
    const rows = allRows(ROWS).slice(log.position, log.position + ROWS_PER_CHECKPOINT)
    const stats = await writeRows(store, table, { owner, instant, rows })
    const prepared = { instant, owner, stats, avroSchema: '{}' }
    log.position += rows.length
    log.pending.push(prepared)
    await commitAndConfirm(store, log, prepared)
  }
}

async function commitAndConfirm(store: MemoryFileStore, log: Log, prepared: PreparedCommit): Promise<void> {
  const { result } = await commitInstant(store, prepared)
  assert.ok(result === 'committed' || result === 'already-committed', result)
  log.pending = log.pending.filter(({ instant }) => instant !== prepared.instant)
}

/** Each row is a file of its own lane; the first lane also leaves a file that it gave up. */
async function writeRows(
  store: MemoryFileStore,
  table: HudiTable,
  { owner, instant, rows }: { readonly owner: Owner; readonly instant: string; readonly rows: readonly number[] },
): Promise<WriteStat[]> {
  const stats: WriteStat[] = []
  assert.equal(await requestInstant(store, instant, owner), 'ours')
  for (const [lane, row] of rows.entries()) {
    const partition = partitionPath(table, [`day ${row % 2}`])
    await ensurePartition(store, table, partition, instant)
    for (const sequence of lane === 0 ? [0, 1] : [1]) {
      const name = dataFileName({ table: table.name, owner, instant, lane, lanes: 2, sequence })
      const path = joinPath(partition, formatDataFileName(name))
      await createMarker(store, instant, path)
      const writer = await store.openWriter(path)
      await writer.write(Buffer.from(`${row}`))
      const { size } = await writer.finish()
      if (sequence === 1) stats.push({ fileId: name.fileId, path, partitionPath: partition, rows: 1, bytes: size })
    }
  }
  return stats
}

async function changesOfARun(table: HudiTable): Promise<number> {
  const store = new MemoryFileStore()
  await run(store, table, { epoch: 0, checkpoint: 0, position: 0, pending: [] })
  return store.changes
}

function rowsOf(files: ReadonlyMap<string, Uint8Array>, paths: readonly string[]): number[] {
  return paths.map((path) => Number(Buffer.from(files.get(path) ?? []).toString())).toSorted((a, b) => a - b)
}

function allRows(count: number): number[] {
  return Array.from({ length: count }, (_, row) => row)
}
