/** Tables written by Spark, by Java's Hudi and by hand: our reader of properties and timelines takes them all. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { MemoryFileStore } from '../../testkit/memory-file-store.ts'
import { decodeLog, encodeLog } from './archive/archive-log.ts'
import { ARCHIVED_ENTRY, archivedEntries } from './archive/archived-entry.ts'
import { decodeCommit } from './commit-metadata.ts'
import { decodePlan } from './rollback-records.ts'
import { sweepTable } from './sweep.ts'
import { checkProperties, hasMetadataTable, readProperties, tableOf } from './table.ts'
import { loadTimeline, readInstant } from './timeline.ts'

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/hudi')

async function openFixture(name: string): Promise<MemoryFileStore> {
  const files = new Map<string, Uint8Array>()
  const root = join(FIXTURES, name)
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) files.set(path.slice(root.length + 1), await readFile(path))
  }
  return new MemoryFileStore(files)
}

for (const [name, rows, writes, pending] of [
  ['min_unpart', 200, 2, 0],
  ['min_keyless', 200, 2, 0],
  ['min_part_hive', 200, 2, 0],
  ['min_part_plain', 200, 2, 0],
  ['min_part_pending', 200, 2, 1],
  ['min_part_rolled_back', 200, 2, 0],
  ['unpart_nomdt', 300, 3, 0],
  ['unpart_nomdt_h120', 300, 3, 0],
  ['part_failed_orphan', 180, 2, 0],
  ['part_overwrite', 30, 2, 0],
] as const) {
  test(`the properties and the timeline of ${name} are read`, async () => {
    const store = await openFixture(name)
    const properties = await readProperties(store)
    assert.ok(properties !== undefined)
    assert.deepEqual(checkProperties(properties, await hasMetadataTable(store)), [])
    assert.equal(tableOf(properties).name, name)
    const timeline = await loadTimeline(store)
    assert.equal(timeline.completedWrites.length, writes)
    assert.equal(timeline.pendingWrites.length, pending)
    for (const instant of timeline.completedWrites) {
      const { stats, extra } = decodeCommit((await readInstant(store, instant, 'completed')) ?? Buffer.from(''), name)
      assert.ok(stats.length > 0 && extra['schema'] !== undefined)
      for (const { path, bytes } of stats) assert.equal(await store.size(path), bytes)
    }
    assert.equal((await viewHudiTable(store)).rows, rows)
  })
}

test('tables with a metadata table or of another version are refused with a way out', async () => {
  for (const [name, about] of [
    ['unpart_mdt', /metadata table/],
    ['unpart_v9_h120', /hoodie\.table\.version is 9/],
  ] as const) {
    const properties = await readProperties(await openFixture(name))
    const errors = checkProperties(properties ?? {}, false).filter(({ severity }) => severity === 'error')
    assert.match(errors[0]?.message ?? '', about)
    for (const { code, hint } of errors) assert.deepEqual([code, typeof hint], ['PREFLIGHT', 'string'])
  }
})

test('files of a metadata table are enough to refuse, before a property mentions them', async () => {
  const store = await openFixture('min_unpart')
  await store.create('.hoodie/metadata/.hoodie/hoodie.properties', Buffer.from(''))
  assert.equal(await hasMetadataTable(store), true)
  assert.equal(checkProperties((await readProperties(store)) ?? {}, true).length, 1)
})

test('rollback plans of Java and of other writers are read, and belong to nobody', async () => {
  for (const name of ['part_failed_orphan', 'min_part_rolled_back']) {
    const store = await openFixture(name)
    const found = (await loadTimeline(store)).instants.find(({ action }) => action === 'rollback')
    assert.ok(found !== undefined)
    const plan = decodePlan(store.root, (await readInstant(store, found, 'requested')) ?? Buffer.from(''), name)
    assert.match(plan.instant ?? '', /^\d{17}$/)
    assert.equal(plan.owner, undefined)
  }
})

test('a pending instant of another writer stops us, and nothing of it is touched', async () => {
  const store = await openFixture('min_part_pending')
  const before = new Map(store.files)
  const request = { sink: { job: 'j', sink: 's' }, below: 9, keep: new Set<string>(), nowMs: 0 }
  await assert.rejects(sweepTable(store, request), { code: 'PREFLIGHT', message: /is not finished: .*unknown writer/ })
  assert.deepEqual(store.files, before)
})

test('what Java puts on a timeline can be archived: commits, replacecommits, cleans and rollbacks', async () => {
  for (const name of ['unpart_clean_timeline', 'part_clustered_timeline', 'part_failed_orphan', 'part_overwrite']) {
    const store = await openFixture(name)
    const { instants } = await loadTimeline(store)
    const entries = await Promise.all(instants.map((instant) => archivedEntries(store, instant)))
    const read = decodeLog(encodeLog(ARCHIVED_ENTRY, entries.flat()), name) as { commitTime: string }[]
    assert.deepEqual(new Set(read.map(({ commitTime }) => commitTime)), new Set(instants.map(({ time }) => time)))
    assert.equal(read.length, instants.flatMap(({ files }) => files).length)
  }
})
