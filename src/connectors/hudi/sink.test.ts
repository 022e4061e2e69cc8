import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { PERMIT, openWorld, read } from '../../testkit/hudi-sink-world.ts'

test('large and small batches of one checkpoint, in any order, have all their rows and names of their own', async () => {
  await using world = await openWorld()
  const { coordinator } = world
  const lane = world.writer(0)
  lane.begin(1, await coordinator.begin(1, 1))
  let rows = 0
  for (const count of [10, 5000, 90_000, 20, 30_000, 4096, 4095, 7, 6000]) {
    await lane.write(await world.batch(rows, rows + count))
    rows += count
  }
  const { committables, counts } = await lane.cut({ checkpoint: 2, ticket: await coordinator.begin(2, 1) })
  assert.equal(counts.rows, rows)
  const [combined] = await coordinator.combine(1, committables)
  const json = JSON.parse(JSON.stringify(combined?.committable)) as JsonObject
  assert.deepEqual(await coordinator.commit(PERMIT, json), { outcome: 'committed' })
  const sum = (rows * (rows - 1) * 0.625).toFixed(2)
  assert.deepEqual(await read(world), { rows: BigInt(rows), ids: BigInt(rows), names: BigInt(rows), sum })
  await lane.close()
})

test('partitions whose values look the same when they are joined stay apart', async () => {
  const schema: Schema = ['id', 'dt', 'region'].map((name) => {
    return { name, type: name === 'id' ? 'bigint' : 'varchar', nullable: true }
  })
  await using world = await openWorld({ partitionBy: ['dt', 'region'] }, schema)
  await world.database.run(
    `CREATE TEMP TABLE alike AS SELECT * FROM (VALUES (1::BIGINT, 'a/b', 'c'), (2, 'a', 'b/c'), (3, NULL, 'c')) AS r(id, dt, region)`,
  )
  const lane = world.writer(0)
  lane.begin(1, await world.coordinator.begin(1, 1))
  const body = { kind: 'table', relation: 'alike', schema } as const
  const release = (): void => undefined
  await lane.write({ kind: 'batch', split: 's', from: {}, next: {}, body, rows: 3, bytes: 9, release })
  const { committables } = await lane.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  const [combined] = await world.coordinator.combine(1, committables)
  await world.coordinator.commit(PERMIT, JSON.parse(JSON.stringify(combined?.committable)) as JsonObject)
  const { snapshot } = await viewHudiTable(world.temporary.store)
  assert.deepEqual([...snapshot].map((path) => path.slice(0, path.lastIndexOf('/'))).sort(), [
    'dt=__HIVE_DEFAULT_PARTITION__/region=c',
    'dt=a%2Fb/region=c',
    'dt=a/region=b%2Fc',
  ])
  await lane.close()
})

test('rows of two lanes become one commit for each checkpoint, visible after the commit and not before', async () => {
  await using world = await openWorld()
  const { coordinator } = world
  const lanes = [world.writer(0), world.writer(1)]
  const first = await coordinator.begin(1, 1)
  for (const lane of lanes) lane.begin(1, first)
  await lanes[0]?.write(await world.batch(0, 100))
  await lanes[1]?.write(await world.batch(100, 150))
  await lanes[0]?.write(await world.batch(150, 160))
  const second = await coordinator.begin(2, 1)
  const cuts = await Promise.all(lanes.map((lane) => lane.cut({ checkpoint: 2, ticket: second })))
  assert.deepEqual(
    cuts.map(({ counts }) => counts.rows),
    [110, 50],
  )
  await lanes[1]?.write(await world.batch(160, 200))

  const [committable, ...others] = await coordinator.combine(
    1,
    cuts.flatMap((cut) => cut.committables),
  )
  assert.deepEqual([committable?.rows, others.length], [160, 0])
  assert.equal((await read(world)).rows, 0n)
  const json = JSON.parse(JSON.stringify(committable?.committable)) as JsonObject
  assert.deepEqual(await coordinator.evidence([json]), [{ state: 'committable' }])
  assert.deepEqual(await coordinator.commit(PERMIT, json), { outcome: 'committed' })
  assert.deepEqual(await coordinator.commit(PERMIT, json), { outcome: 'already-committed' })
  assert.deepEqual(await coordinator.evidence([json]), [{ state: 'committed' }])
  assert.equal(await coordinator.abort(json), 'committed')
  assert.deepEqual(await read(world), { rows: 160n, ids: 160n, names: 160n, sum: (12_720 * 1.25).toFixed(2) })

  const third = await coordinator.begin(3, 1)
  const rest = await Promise.all(lanes.map((lane) => lane.cut({ checkpoint: 3, ticket: third })))
  assert.deepEqual(rest[0], { committables: [], counts: { rows: 0, bytes: 0 } })
  const [last] = await coordinator.combine(
    2,
    rest.flatMap((cut) => cut.committables),
  )
  await coordinator.commit(PERMIT, last?.committable ?? {})
  assert.equal((await read(world)).ids, 200n)
  assert.deepEqual((await viewHudiTable(world.temporary.store)).pending, [])
  await Promise.all(lanes.map((lane) => lane.close()))
})

test('a checkpoint without rows leaves nothing in the table', async () => {
  await using world = await openWorld()
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  const cut = await writer.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  assert.deepEqual(await world.coordinator.combine(1, cut.committables), [])
  const paths = (await Array.fromAsync(world.temporary.store.list(''))).map(({ path }) => path)
  assert.deepEqual(paths, ['.hoodie/hoodie.properties'])
})

test('files are ended at their target size, and rows keep names of their own', async () => {
  await using world = await openWorld({ partitionBy: [], targetFileSize: 64 * 1024 })
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  for (const [from, to] of [
    [0, 120_000],
    [120_000, 240_000],
    [240_000, 240_010],
  ] as const) {
    await writer.write(await world.batch(from, to))
  }
  const cut = await writer.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  const [committable] = await world.coordinator.combine(1, cut.committables)
  await world.coordinator.commit(PERMIT, committable?.committable ?? {})
  assert.equal((await viewHudiTable(world.temporary.store)).snapshot.length, 3)
  const { rows, ids, names } = await read(world)
  assert.deepEqual({ rows, ids, names }, { rows: 240_010n, ids: 240_010n, names: 240_010n })
})

test('a rewind throws open work away, and its instant is gone before a later one completes', async () => {
  await using world = await openWorld({ targetFileSize: 64 * 1024 })
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 130_000))
  await writer.rollback()
  assert.equal((await viewHudiTable(world.temporary.store)).pending.length, 1)

  writer.begin(2, await world.coordinator.begin(2, 2))
  await writer.write(await world.batch(0, 50))
  const cut = await writer.cut({ checkpoint: 3, ticket: await world.coordinator.begin(3, 2) })
  const [committable] = await world.coordinator.combine(2, cut.committables)
  assert.deepEqual(await world.coordinator.commit(PERMIT, committable?.committable ?? {}), { outcome: 'committed' })
  const view = await viewHudiTable(world.temporary.store)
  assert.deepEqual([view.pending, view.listed], [[], view.snapshot])
  assert.equal((await read(world)).rows, 50n)
})

test('a rollback while a cut is under way rejects the cut and leaves no open file', async () => {
  await using world = await openWorld()
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 1000))
  const ticket = await world.coordinator.begin(2, 1)
  const cut = assert.rejects(writer.cut({ checkpoint: 2, ticket }), { code: 'INTERRUPTED', retry: 'restart' })
  await writer.rollback()
  await cut
  writer.begin(2, ticket)
  await writer.write(await world.batch(0, 10))
  const again = await writer.cut({ checkpoint: 3, ticket: await world.coordinator.begin(3, 1) })
  assert.equal(again.counts.rows, 10)
  const temps = await readdir(join(world.temporary.path, '.millrace-tmp'))
  assert.deepEqual(temps, [])
})

test('a later run sweeps what no manifest owns and keeps what one does', async () => {
  await using world = await openWorld()
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 10))
  const cut = await writer.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  await writer.write(await world.batch(10, 20))
  const dead = await writer.cut({ checkpoint: 3, ticket: await world.coordinator.begin(3, 1) })
  assert.equal(dead.committables.length, 1)
  const [published] = await world.coordinator.combine(1, cut.committables)
  const keep = [published?.committable ?? {}]
  const report = await world.coordinator.sweep({ below: 2, runs: [], keep })
  assert.equal(report.aborted.length, 1)
  assert.equal((await viewHudiTable(world.temporary.store)).pending.length, 1)
  assert.deepEqual(await world.coordinator.commit(PERMIT, keep[0] ?? {}), { outcome: 'committed' })
  assert.equal((await read(world)).ids, 10n)
})

test('an aborted committable is lost afterwards, and says so', async () => {
  await using world = await openWorld()
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 10))
  const cut = await writer.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  const [committable] = await world.coordinator.combine(1, cut.committables)
  const json = committable?.committable ?? {}
  assert.equal(await world.coordinator.abort(json), 'aborted')
  assert.equal((await world.coordinator.commit(PERMIT, json)).outcome, 'lost')
  assert.equal((await world.coordinator.evidence([json]))[0]?.state, 'lost')
})
