/** What a checkpoint costs on a table that has been written for long: counted in calls to the store, not in time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileEntry } from '../../core/file-store.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'
import { commitInstant, requestInstant } from './commit.ts'
import { encodeCommit } from './commit-metadata.ts'
import { formatInstant } from './instant.ts'
import { createMarker } from './markers.ts'
import { createTable, refuseChangedTable } from './table.ts'
import { TimelineWatch } from './timeline-watch.ts'

const TABLE = { name: 't', database: '', partitionFields: [], recordKeyFields: [], hiveStyle: true, urlEncode: true }
const NOW = Date.UTC(2026, 10, 21, 10, 35, 30)
const OWNER = { job: 'job', sink: 'lake', epoch: 1, checkpoint: 1 }

/** Counts calls and listed entries. */
class CountingStore extends MemoryFileStore {
  calls = 0
  listed = 0
  readonly prefixes: string[] = []

  override read(path: string): Promise<Uint8Array | undefined> {
    this.calls++
    return super.read(path)
  }

  override create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    this.calls++
    return super.create(path, bytes)
  }

  override remove(path: string): Promise<void> {
    this.calls++
    return super.remove(path)
  }

  override size(path: string): Promise<number | undefined> {
    this.calls++
    return super.size(path)
  }

  override async *list(prefix: string): AsyncIterable<FileEntry> {
    this.calls++
    this.prefixes.push(prefix)
    for await (const entry of super.list(prefix)) {
      this.listed++
      yield entry
    }
  }

  reset(): void {
    this.calls = 0
    this.listed = 0
    this.prefixes.length = 0
  }
}

function dataFile(
  at: number,
  instant: string,
): { fileId: string; path: string; partitionPath: string; rows: number; bytes: number } {
  const fileId = `f${at}`
  return { fileId, path: `${fileId}_0-1-1_${instant}.parquet`, partitionPath: '', rows: 1, bytes: 1 }
}

/** One commit every ten seconds until now, with five files each. */
async function openOldTable(instants: number): Promise<CountingStore> {
  const store = new CountingStore()
  await createTable(store, TABLE, '{}')
  for (let at = 0; at < instants; at++) {
    const instant = formatInstant(NOW - (instants - at) * 10_000)
    const stats = Array.from({ length: 5 }, (_, file) => dataFile(at * 5 + file, instant))
    for (const { path } of stats) store.files.set(path, Buffer.from('1'))
    const commit = encodeCommit({ owner: OWNER, avroSchema: '{}', stats })
    for (const state of ['commit.requested', 'inflight', 'commit'])
      store.files.set(`.hoodie/${instant}.${state}`, commit)
  }
  return store
}

test('a checkpoint costs the same on a table of 10 000 files and 2 000 instants as on a small one', async () => {
  const costs: { calls: number; listed: number }[] = []
  for (const instants of [1, 2000]) {
    const store = await openOldTable(instants)
    let now = NOW
    const timeline = new TimelineWatch(store, { now: () => now })
    for (let checkpoint = 1; checkpoint <= 3; checkpoint++) {
      // The first one reads the whole timeline.
      if (checkpoint === 2) store.reset()
      now += 10_000
      await refuseChangedTable(store)
      const owner = { ...OWNER, checkpoint }
      const instant = await timeline.next()
      await requestInstant(store, instant, owner)
      const stats = [dataFile(checkpoint * 1e6, instant)]
      await createMarker(store, instant, stats[0]?.path ?? '')
      await store.create(stats[0]?.path ?? '', Buffer.from('1'))
      const prepared = { instant, owner, stats, avroSchema: '{}' }
      assert.deepEqual(await commitInstant(store, prepared, await timeline.read()), { result: 'committed' })
    }
    costs.push({ calls: store.calls / 2, listed: store.listed / 2 })
    assert.deepEqual(
      store.prefixes.filter((prefix) => !prefix.startsWith('.hoodie/')),
      [],
    )
  }
  const [small, large] = costs
  assert.equal(large?.calls, small?.calls)
  assert.ok((large?.calls ?? Infinity) <= 20, `${large?.calls} calls`)
  // The end of the timeline, as far as the first digits of two times agree.
  assert.ok((large?.listed ?? Infinity) <= 300, `${large?.listed} entries`)
})
