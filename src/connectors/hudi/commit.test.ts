import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'
import { commitInstant, requestInstant } from './commit.ts'
import { encodeCommit } from './commit-metadata.ts'
import type { PreparedCommit } from './prepared-commit.ts'
import { createMarker, markedInstants } from './markers.ts'
import { rollback } from './rollback.ts'
import { sweepTable } from './sweep.ts'
import { createTable, PROPERTIES_PATH } from './table.ts'
import { loadTimeline } from './timeline.ts'

const TABLE = { name: 't', database: '', partitionFields: [], recordKeyFields: [], hiveStyle: true, urlEncode: false }
const OWNER = { job: 'j', sink: 's', epoch: 1, checkpoint: 1 }
const SWEEP = { sink: { job: 'j', sink: 's' }, below: 2, keep: new Set<string>(), nowMs: Date.UTC(2026, 10, 22) }

async function openTable(): Promise<MemoryFileStore> {
  const store = new MemoryFileStore()
  await createTable(store, TABLE, '{}')
  return store
}

async function prepare(store: FileStore, instant: string, owner: typeof OWNER = OWNER): Promise<PreparedCommit> {
  assert.equal(await requestInstant(store, instant, owner), 'ours')
  const path = `id-0_0-1-0_${instant}.parquet`
  await createMarker(store, instant, path)
  await store.create(path, Buffer.from('rows'))
  return { instant, owner, avroSchema: '{}', stats: [{ fileId: 'id-0', path, partitionPath: '', rows: 1, bytes: 4 }] }
}

const [T1, T2] = ['20261121000000001', '20261121000000002']

test('a commit whose answer was lost is found by reading it back, one that did not arrive may be tried again', async () => {
  for (const landed of [true, false]) {
    const store = await openTable()
    const prepared = await prepare(store, T1)
    const create = store.create.bind(store)
    store.create = async (path, bytes) => {
      if (!path.endsWith('.commit')) return await create(path, bytes)
      if (landed) await create(path, bytes)
      throw new MillraceError('the answer was lost', { code: 'STORE_IO', retry: 'retry' })
    }
    const first = commitInstant(store, prepared)
    if (landed) assert.deepEqual(await first, { result: 'already-committed' })
    else await assert.rejects(first, { code: 'STORE_IO', retry: 'retry' })
    store.create = create
    assert.deepEqual(await commitInstant(store, prepared), { result: landed ? 'already-committed' : 'committed' })
  }
})

test('instants complete in order: an older pending one of this sink blocks', async () => {
  const store = await openTable()
  const older = await prepare(store, T1)
  const newer = await prepare(store, T2, { ...OWNER, checkpoint: 2 })
  assert.deepEqual(await commitInstant(store, newer), { result: 'blocked', older: [{ instant: T1, owner: OWNER }] })
  assert.deepEqual(await commitInstant(store, older), { result: 'committed' })
  assert.deepEqual(await commitInstant(store, newer), { result: 'committed' })
})

test('a commit of the same time by somebody else, or with other files, is not taken for ours', async () => {
  for (const other of [
    { owner: { ...OWNER, job: 'other' }, rows: 1 },
    { owner: OWNER, rows: 2 },
  ]) {
    const store = await openTable()
    const prepared = await prepare(store, T1)
    const stats = prepared.stats.map((stat) => ({ ...stat, rows: other.rows }))
    await store.create(`.hoodie/${T1}.commit`, encodeCommit({ owner: other.owner, avroSchema: '{}', stats }))
    assert.equal((await commitInstant(store, prepared)).result, 'halt')
  }
})

test('a time that another writer took is reported before anything is written', async () => {
  const store = await openTable()
  await store.create(`.hoodie/${T1}.commit.requested`, new Uint8Array(0))
  assert.equal(await requestInstant(store, T1, OWNER), 'taken')
  assert.equal(store.files.has(`.hoodie/${T1}.inflight`), false)
})

test('a data file that went missing, or was rolled back by another writer, makes the commit lost', async () => {
  const missing = await openTable()
  const first = await prepare(missing, T1)
  await missing.remove(first.stats[0]?.path ?? '')
  assert.equal((await commitInstant(missing, first)).result, 'lost')

  const undone = await openTable()
  const second = await prepare(undone, T1)
  await rollback(undone, { instant: T1, owner: OWNER, nowMs: SWEEP.nowMs })
  const result = await commitInstant(undone, second)
  assert.deepEqual(result, { result: 'lost', reason: 'another writer rolled it back' })
})

test('nothing is committed into a table that was upgraded or got a metadata table meanwhile', async () => {
  for (const change of [
    async (store: MemoryFileStore): Promise<void> => {
      const text = Buffer.from((await store.read(PROPERTIES_PATH)) ?? []).toString()
      await store.replace(PROPERTIES_PATH, Buffer.from(text.replace('table.version=6', 'table.version=9')))
    },
    async (store: MemoryFileStore): Promise<void> => {
      await store.create('.hoodie/metadata/x', Buffer.from(''))
    },
    async (store: MemoryFileStore): Promise<void> => await store.remove(PROPERTIES_PATH),
  ]) {
    const store = await openTable()
    const prepared = await prepare(store, T1)
    await change(store)
    await assert.rejects(commitInstant(store, prepared), { code: 'SCHEMA', message: /changed by another writer/ })
    assert.equal(store.files.has(`.hoodie/${T1}.commit`), false)
  }
})

test('markers that a dead process left behind its commit are swept away, those of others stay', async () => {
  const store = await openTable()
  const prepared = await prepare(store, T1)
  await commitInstant(store, prepared)
  await createMarker(store, T1, prepared.stats[0]?.path ?? '')
  await createMarker(store, T2, 'somebody-0_0-1-0_20261121000000002.parquet')
  await sweepTable(store, SWEEP)
  assert.deepEqual([...(await markedInstants(store))], [T2])
})

test('a rollback takes checksums of Java along and stays away from instants that were promised', async () => {
  const store = await openTable()
  const prepared = await prepare(store, T1)
  const path = prepared.stats[0]?.path ?? ''
  await store.create(`.${path}.crc`, Buffer.from('crc'))
  await rollback(store, { instant: T1, owner: OWNER, nowMs: 0, after: T2 })
  assert.deepEqual(
    [...store.files.keys()].filter((name) => name.includes('parquet')),
    [],
  )
  const timeline = await loadTimeline(store)
  assert.deepEqual(
    timeline.instants.map(({ time, action, state }) => [time, action, state]),
    [['20261121000000003', 'rollback', 'completed']],
  )
})

test('a completed instant is never rolled back', async () => {
  const store = await openTable()
  await commitInstant(store, await prepare(store, T1))
  await assert.rejects(rollback(store, { instant: T1, owner: OWNER, nowMs: 0 }), { code: 'INTERNAL' })
})
