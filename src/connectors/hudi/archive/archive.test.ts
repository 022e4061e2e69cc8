import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MemoryFileStore } from '../../../testkit/memory-file-store.ts'
import { encodeCommit, encodePending, hashStats, STATS_HASH } from '../commit-metadata.ts'
import { judge } from '../evidence.ts'
import type { PreparedCommit } from '../prepared-commit.ts'
import { rollback } from '../rollback.ts'
import { createTable } from '../table.ts'
import { loadTimeline } from '../timeline.ts'
import { decodeLog, encodeLog } from './archive-log.ts'
import { archiveTimeline } from './archive.ts'
import { archiveFiles, readArchived } from './read-archive.ts'

const ARCHIVE = '.hoodie/archived/.commits_.archive.1_1-0-1'
const JAVA = join(import.meta.dirname, '../../../../test/fixtures/hudi/archived_by_java', ARCHIVE)
const TABLE = {
  ...{ name: 't', database: '', partitionFields: ['dt'], recordKeyFields: [], hiveStyle: true, urlEncode: true },
}

function prepared(at: number): PreparedCommit {
  const instant = String(20261121000000000n + BigInt(at))
  const owner = { job: 'job', sink: 'lake', epoch: 1, checkpoint: at }
  const file = { fileId: `f${at}`, path: `dt=1/f${at}_0-1-1_${instant}.parquet`, partitionPath: 'dt=1' }
  return { instant, owner, avroSchema: '{}', stats: [{ ...file, rows: at, bytes: 3 }] }
}

async function openTable(commits: number): Promise<MemoryFileStore> {
  const store = new MemoryFileStore()
  await createTable(store, TABLE, '{"type":"record","name":"t_record","fields":[]}')
  for (let at = 1; at <= commits; at++) await commit(store, prepared(at))
  return store
}

async function commit(store: MemoryFileStore, each: PreparedCommit): Promise<void> {
  const { instant, owner, stats } = each
  await store.create(stats[0]?.path ?? '', Buffer.from('row'))
  await store.create(`.hoodie/${instant}.commit.requested`, new Uint8Array(0))
  await store.create(`.hoodie/${instant}.inflight`, encodePending(owner))
  await store.create(`.hoodie/${instant}.commit`, encodeCommit(each))
}

test('an instant that Java archived is still known to be ours', async () => {
  const store = new MemoryFileStore()
  await createTable(store, TABLE, '{}')
  await store.create(ARCHIVE, await readFile(JAVA))
  const extra = await readArchived(store, '20261121162418270')
  assert.equal(extra?.['millrace.job'], 'test')
  assert.match(extra?.[STATS_HASH] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(await readArchived(store, '20261121162418271'), undefined)
})

test('archived commits are done for their checkpoint, and others of the same time are not', async () => {
  const store = await openTable(30)
  assert.deepEqual(await archiveTimeline(store, 20), { archived: 10, orphan: undefined })
  const timeline = await loadTimeline(store)
  assert.equal(timeline.completedWrites.length, 20)
  assert.deepEqual(await judge(store, timeline, prepared(3)), { act: 'done' })
  const other = { ...prepared(3), owner: { ...prepared(3).owner, job: 'other' } }
  assert.equal((await judge(store, timeline, other)).act, 'halt')
  const changed = { ...prepared(3), stats: prepared(4).stats }
  assert.equal((await judge(store, timeline, changed)).act, 'halt')
})

test('archives say of every state what Hudi says, in order', async () => {
  const store = await openTable(30)
  await archiveTimeline(store, 20)
  const records = decodeLog((await store.read(ARCHIVE)) ?? Buffer.from(''), 'archive') as {
    commitTime: string
    actionState: string
    hoodieCommitMetadata: { partitionToWriteStats: Record<string, { numWrites: number }[]> }
  }[]
  assert.deepEqual(
    records.slice(0, 4).map(({ commitTime, actionState }) => [commitTime.slice(-2), actionState]),
    [
      ['01', 'REQUESTED'],
      ['01', 'INFLIGHT'],
      ['01', 'COMPLETED'],
      ['02', 'REQUESTED'],
    ],
  )
  assert.equal(records[5]?.hoodieCommitMetadata.partitionToWriteStats['dt=1']?.[0]?.numWrites, 2)
  assert.equal(hashStats(prepared(2).stats), (await readArchived(store, prepared(2).instant))?.[STATS_HASH])
})

test('a process that dies at any change while it archives leaves nothing that the next one does not end', async () => {
  const whole = await openTable(30)
  const before = whole.changes
  await archiveTimeline(whole, 20)
  for (let stop = 0; stop < whole.changes - before; stop++) {
    const { files } = await openTable(30)
    const dying = new MemoryFileStore(files)
    dying.stopAfter(stop)
    await archiveTimeline(dying, 20).catch(() => undefined)
    const store = new MemoryFileStore(files)
    const seen = (await loadTimeline(store)).completedWrites
    // The timeline has no holes: what is left is a tail.
    assert.equal(seen.at(-1)?.time, prepared(30).instant)
    assert.equal(seen.length, 30 - Number(seen[0]?.time.slice(-2)) + 1)
    await archiveTimeline(store, 20)
    assert.equal((await loadTimeline(store)).completedWrites.length, 20, `stopped after ${stop}`)
    assert.equal((await archiveFiles(store)).length, 1)
    assert.deepEqual(await judge(store, await loadTimeline(store), prepared(1)), { act: 'done' })
  }
})

test('files that came late behind a rollback of ours are removed, and what nobody owns holds the archive up', async () => {
  const store = await openTable(30)
  const late = { ...prepared(5), instant: '20261121000000005' }
  for (const state of ['commit.requested', 'inflight', 'commit']) await store.remove(`.hoodie/${late.instant}.${state}`)
  const name = (fileId: string): string => `dt=1/${fileId}_0-1-1_${late.instant}.parquet`
  const ours = name('d5c4e840-8440-5981-8721-40f853da4835-0')
  await rollback(store, { instant: late.instant, owner: late.owner, nowMs: Date.UTC(2026, 11, 1) })
  for (const path of [ours, name('ba5eba11-0000-4000-8000-000000000000-0')]) await store.create(path, Buffer.from('x'))
  await store.remove(name('f5'))
  const orphan = name('ba5eba11-0000-4000-8000-000000000000-0')
  // One commit in front of the orphan stays.
  assert.deepEqual(await archiveTimeline(store, 20), { archived: 3, orphan })
  assert.equal(await store.size(ours), undefined)
  await store.remove(orphan)
  assert.deepEqual(await archiveTimeline(store, 20), { archived: 6, orphan: undefined })
})

test('an archive that is damaged is an error, not an empty one', () => {
  const bytes = encodeLog({ type: 'record', name: 'r', fields: [{ name: 'a', type: 'int' }] }, [{ a: 1 }])
  assert.deepEqual(JSON.stringify(decodeLog(bytes, 'x')), '[{"a":1}]')
  for (const wrong of [bytes.subarray(1), bytes.subarray(0, -1), bytes.subarray(0, 20)]) {
    assert.throws(() => decodeLog(wrong, 'x'), { code: 'PREFLIGHT' })
  }
})
