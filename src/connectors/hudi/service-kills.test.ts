/**
 * Merging, cleaning and archiving under kills: a small pipeline with all services runs over a store that stops after k
 * changes; the next run, which may die as well, goes on. After every run a checker that knows only the readers' rules
 * looks at the table.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../../core/errors.ts'
import { viewHudiTable, type HudiView } from '../../testkit/hudi-checker.ts'
import { realClock, silentLog } from '../../testkit/lane-context.ts'
import { isStopped, MemoryFileStore } from '../../testkit/memory-file-store.ts'
import { archivedTimes, archiveFiles } from './archive/read-archive.ts'
import { commitInstant, requestInstant } from './commit.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { Ticket } from './committable.ts'
import { dataFileName, formatDataFileName } from './file-name.ts'
import { createMarker } from './markers.ts'
import type { MergeInput } from './merge/choose-merge.ts'
import type { MergeWork } from './merge/merge-files.ts'
import { ensurePartition, joinPath } from './partition.ts'
import type { PreparedCommit } from './prepared-commit.ts'
import { rollback } from './rollback.ts'
import { sweepTable } from './sweep.ts'
import { type ServiceRules, TableServices, type TableServicesOptions } from './table-services.ts'
import { createTable, type HudiTable } from './table.ts'
import { loadTimeline } from './timeline.ts'
import { TimelineWatch } from './timeline-watch.ts'

const SINK = { job: 'job', sink: 'lake' }
const ROWS = 36
const TABLE: HudiTable = {
  ...{ name: 't', database: '', partitionFields: ['dt'], recordKeyFields: [], hiveStyle: true, urlEncode: true },
}
/** A row is four bytes, so five of them make a file that is large enough. */
const RULES: ServiceRules = {
  ...{ targetFileSize: 20, mergeSmallFiles: true, mergeBytesPerSecond: 1e9, compression: 'snappy' },
  ...{ retainedCommits: 3, timelineCommits: 14 },
}

/** What survives a crash besides the table: the checkpoint log. */
interface Log {
  epoch: number
  checkpoint: number
  /** Rows up to here belong to published checkpoints. */
  position: number
  pending: PreparedCommit[]
}

function newLog(): Log {
  return { epoch: 0, checkpoint: 0, position: 0, pending: [] }
}

test('a table under all services shows every row once, wherever two processes in a row die', async () => {
  const whole = new MemoryFileStore()
  await run(whole, newLog())
  const [first, second] = [23, 31]
  for (let stop = 1; stop < whole.changes; stop += first) {
    const files = new Map<string, Uint8Array>()
    const log = newLog()
    for (const changes of [stop, second * (stop % 9), undefined]) {
      const store = new MemoryFileStore(files)
      if (changes !== undefined) store.stopAfter(changes)
      await run(store, log).catch((thrown: unknown) => {
        if (!isStopped(thrown)) throw thrown
      })
      if (files.has('.hoodie/hoodie.properties')) await mustBeConsistent(files, log, `killed after ${stop}`)
    }
    await mustBeHealthy(files, `killed after ${stop}`)
  }
})

test('a run with all services leaves few files, a short timeline and nothing else', async () => {
  const store = new MemoryFileStore()
  await run(store, newLog())
  const { snapshot, listed } = await mustBeHealthy(store.files, 'one run')
  assert.ok(snapshot.length <= 12, `${snapshot.length} files`)
  assert.ok(listed.length <= 24, `${listed.length} files with those that queries may still read`)
  assert.ok((await loadTimeline(store)).completedWrites.length <= 14 * 1.2 + 3)
  assert.ok((await archiveFiles(store)).length > 0)
})

test('a merge is dropped when another writer rewrote one of its files meanwhile, and nothing is lost', async () => {
  for (const action of ['commit', 'replacecommit']) {
    const store = new MemoryFileStore()
    const log = newLog()
    let dropped = 0
    await run(store, log, {
      beforeCommit: async (prepared) => {
        const [input] = prepared.merge?.inputs ?? []
        if (input === undefined || dropped++ > 0) return
        // As Spark does it: the same file group with a new version, or instead of the old group a new one.
        const time = (await loadTimeline(store)).next(Date.now() + 60_000)
        const fileId = action === 'commit' ? input.fileId : 'ba5eba11-0000-4000-8000-000000000000-0'
        const path = `${input.partitionPath}/${fileId}_0-1-1_${time}.parquet`
        await store.create(path, store.files.get(input.path) ?? new Uint8Array(0))
        const stat = { fileId, path, numWrites: 1, fileSizeInBytes: input.bytes }
        const metadata = {
          partitionToWriteStats: { [input.partitionPath]: [stat] },
          extraMetadata: { schema: '{}' },
          ...(action === 'commit' ? {} : { partitionToReplaceFileIds: { [input.partitionPath]: [input.fileId] } }),
        }
        await store.create(`.hoodie/${time}.${action}`, Buffer.from(JSON.stringify(metadata)))
      },
    })
    assert.ok(dropped > 0)
    const view = await viewHudiTable(store, await archived(store))
    assert.deepEqual([rowsOf(store.files, view.snapshot), view.problems], [allRows(ROWS), []], action)
  }
})

test('replaced files that another engine has cleaned are nobody’s problem', async () => {
  const store = new MemoryFileStore()
  const log = newLog()
  let before: readonly MergeInput[] = []
  await run(store, log, {
    beforeCommit: async ({ merge }) => {
      if (merge === undefined) return
      // A clean by somebody without any patience: the files of the merge before.
      for (const { path } of before) await store.remove(path)
      before = merge.inputs
    },
  })
  assert.deepEqual(rowsOf(store.files, (await viewHudiTable(store)).snapshot), allRows(ROWS))
})

test('a file that cannot be merged is left alone, and that is said once', async () => {
  const store = new MemoryFileStore()
  const said: string[] = []
  let tries = 0
  await run(store, newLog(), {
    log: { ...silentLog, warn: (message) => said.push(message) },
    mergeFiles: async (work) => {
      if (tries++ < 2) throw new MillraceError('merging 5 files: they are damaged', { code: 'UNAVAILABLE' })
      return await mergeFiles(work)
    },
  })
  await mustBeHealthy(store.files, 'with damaged files')
  assert.ok(tries > 2)
  // A merge that the end of the run overtakes is dropped, and says so; beside that nothing else may be said.
  const others = said.filter((message) => !/^the merge of \d+ files of the Hudi table was dropped$/.test(message))
  assert.deepEqual(others, ['looking after the Hudi table: merging 5 files: they are damaged'])
})

test('services of a process that was paused do no harm beside those of its successor', async () => {
  const store = new MemoryFileStore()
  const log = newLog()
  await run(store, log, { until: ROWS / 2 })
  const old = openServices(store)
  old.committed({ ...NOTHING, owner: { ...SINK, epoch: log.epoch, checkpoint: log.checkpoint } })
  await Promise.all([run(store, log), old.idle()])
  // What the old one merged was never published.
  await sweepTable(store, { sink: SINK, below: log.epoch + 1, keep: new Set(), nowMs: Date.now() })
  await mustBeHealthy(store.files, 'a twin')
})

const NOTHING = { instant: '20200101000000000', avroSchema: '{}', stats: [] }

interface Work extends Pick<TableServicesOptions, 'mergeFiles' | 'log'> {
  readonly beforeCommit: (prepared: PreparedCommit) => Promise<void>
  /** Rows. */
  readonly until: number
}

/** One process, from start to end: the order of steps that the engine promises to its sinks. */
async function run(
  store: MemoryFileStore,
  log: Log,
  { beforeCommit = async () => undefined, until = ROWS, ...others }: Partial<Work> = {},
): Promise<void> {
  const epoch = ++log.epoch
  await createTable(store, TABLE, '{"type":"record","name":"t_record","fields":[]}')
  const services = openServices(store, others)
  const commit = async (prepared: PreparedCommit): Promise<void> => {
    await beforeCommit(prepared)
    const { result } = await commitInstant(store, prepared)
    if (result === 'lost' && prepared.merge !== undefined) {
      const { instant, owner } = prepared
      await rollback(store, { instant, owner, action: 'replacecommit', nowMs: Date.now() })
      services.dropped(prepared)
    } else {
      assert.ok(result === 'committed' || result === 'already-committed', result)
      services.committed(prepared)
    }
    log.pending = log.pending.filter(({ instant }) => instant !== prepared.instant)
  }
  for (const prepared of [...log.pending]) await commit(prepared)
  await sweepTable(store, { sink: SINK, below: epoch, keep: new Set(), nowMs: Date.now() })
  const { timeline } = services
  let instant = await timeline.next()
  while (log.position < until) {
    const owner = { ...SINK, epoch, checkpoint: ++log.checkpoint }
    const stats = await writeRow(store, { instant, owner }, log.position)
    const prepared = [{ instant, owner, stats, avroSchema: '{}' }]
    instant = await timeline.next()
    const merge = services.takeReady(instant)
    const published = merge === undefined ? prepared : [...prepared, merge]
    log.position++
    log.pending.push(...published.toSorted((a, b) => (a.instant < b.instant ? -1 : 1)))
    for (const each of [...log.pending]) await commit(each)
    await services.idle()
  }
  await services.stop()
}

function openServices(
  store: MemoryFileStore,
  others: Partial<Pick<TableServicesOptions, 'mergeFiles' | 'log'>> = {},
): TableServices & { readonly timeline: TimelineWatch } {
  const timeline = new TimelineWatch(store, realClock)
  const common = { store, timeline, table: TABLE.name, avroSchema: '{}', rules: RULES }
  return Object.assign(new TableServices({ ...common, clock: realClock, log: silentLog, mergeFiles, ...others }), {
    timeline,
  })
}

/** Rows are texts here, so a merge is a concatenation. */
async function mergeFiles({ store, ticket, inputs }: MergeWork): Promise<readonly WriteStat[]> {
  const parts = await Promise.all(inputs.map(async ({ path }) => Buffer.from((await store.read(path)) ?? [])))
  return [await writeFile(store as MemoryFileStore, ticket, inputs[0]?.partitionPath ?? '', Buffer.concat(parts))]
}

async function writeRow(store: MemoryFileStore, ticket: Ticket, row: number): Promise<WriteStat[]> {
  assert.equal(await requestInstant(store, ticket.instant, ticket.owner), 'ours')
  return [await writeFile(store, ticket, `dt=${row % 2}`, Buffer.from(`${row},`.padStart(4)))]
}

async function writeFile(store: MemoryFileStore, ticket: Ticket, partition: string, text: Buffer): Promise<WriteStat> {
  await ensurePartition(store, TABLE, partition, ticket.instant)
  const name = dataFileName({ table: TABLE.name, ...ticket, lane: 0, lanes: 1, sequence: 0 })
  const path = joinPath(partition, formatDataFileName(name))
  await createMarker(store, ticket.instant, path)
  await store.create(path, text)
  return { fileId: name.fileId, path, partitionPath: partition, rows: text.length / 4, bytes: text.length }
}

/** At any moment readers see whole published checkpoints, in order, each once. */
async function mustBeConsistent(files: Map<string, Uint8Array>, log: Log, where: string): Promise<HudiView> {
  const store = new MemoryFileStore(files)
  const view = await viewHudiTable(store, await archived(store))
  assert.deepEqual(view.problems, [], where)
  const rows = rowsOf(files, view.snapshot)
  assert.deepEqual(rows, allRows(rows.length), where)
  assert.ok(rows.length <= log.position, where)
  return view
}

/** With nothing pending readers agree, and no litter is left. */
async function mustBeHealthy(files: Map<string, Uint8Array>, where: string): Promise<HudiView> {
  const view = await mustBeConsistent(files, { ...newLog(), position: ROWS }, where)
  assert.deepEqual(rowsOf(files, view.snapshot), allRows(ROWS), where)
  assert.deepEqual([view.upToNewest, view.pending], [view.snapshot, []], where)
  const litter = [...files.keys()].filter((path) => path.startsWith('.hoodie/.temp/'))
  assert.deepEqual(litter, [], where)
  return view
}

async function archived(store: MemoryFileStore): Promise<ReadonlySet<string>> {
  const files = await archiveFiles(store)
  const times = await Promise.all(files.map((file) => archivedTimes(store, file)))
  return new Set(times.flatMap((each) => [...each].map((name) => name.slice(0, 17))))
}

function rowsOf(files: ReadonlyMap<string, Uint8Array>, paths: readonly string[]): number[] {
  const texts = paths.map((path) => Buffer.from(files.get(path) ?? []).toString())
  const rows = texts.flatMap((text) => text.split(',').slice(0, -1))
  return rows.map(Number).sort((a, b) => a - b)
}

function allRows(count: number): number[] {
  return Array.from({ length: count }, (_, row) => row)
}
