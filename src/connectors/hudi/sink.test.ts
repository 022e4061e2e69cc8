import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Batch } from '../../core/batch.ts'
import type { CommitPermit } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import type { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Schema } from '../../core/schema.ts'
import type { SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { type LaneDatabase, openLaneDatabase } from '../../dataplane/index.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { openTemporaryStore, type TemporaryStore } from '../../testkit/temporary-store.ts'
import { decodeCommit } from './commit-metadata.ts'
import { connector } from './index.ts'
import { hudiSinkOptions, type HudiSinkOptions } from './options.ts'
import { HudiSink } from './sink.ts'
import { loadTimeline, readInstant } from './timeline.ts'

const SCHEMA: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'amount', type: 'decimal(12,2)', nullable: true },
  { name: 'ts', type: 'timestamp(3)', nullable: true },
  { name: 'dt', type: 'varchar', nullable: true },
]
const PERMIT = {} as CommitPermit

interface World extends AsyncDisposable {
  readonly temporary: TemporaryStore
  readonly database: LaneDatabase
  readonly coordinator: SinkCoordinator
  writer(lane: number): SinkWriter
  batch(from: number, to: number, schema?: Schema, extra?: string): Promise<Batch>
}

async function commitCut(world: World, writer: SinkWriter, checkpoint: number): Promise<void> {
  const { coordinator } = world
  const next = { checkpoint: checkpoint + 1, ticket: await coordinator.begin(checkpoint + 1, checkpoint) }
  const { committables } = await writer.cut(next)
  const [combined] = await coordinator.combine(checkpoint, committables)
  const json = JSON.parse(JSON.stringify(combined?.committable)) as JsonObject
  assert.deepEqual(await coordinator.commit(PERMIT, json), { outcome: 'committed' })
}

/** The schemas of all commits, oldest first. */
async function commitSchemas({ temporary: { store } }: World): Promise<string[]> {
  const { completedWrites } = await loadTimeline(store)
  const files = completedWrites.map((instant) => readInstant(store, instant, 'completed'))
  return (await Promise.all(files)).map((bytes) => decodeCommit(bytes ?? Buffer.from(''), '').extra['schema'] ?? '')
}

function fieldNames(schema: string | undefined): string[] {
  const { fields } = JSON.parse(schema ?? '{}') as { fields?: { name: string }[] }
  return (fields ?? []).map(({ name }) => name)
}

async function openWorld(options: Partial<HudiSinkOptions> = {}, schema: Schema = SCHEMA): Promise<World> {
  const temporary = await openTemporaryStore()
  const database = await openLaneDatabase({ memoryLimitBytes: 256 * 2 ** 20 })
  const defaults = hudiSinkOptions.parse({ path: temporary.path, table: 'lake', partitionBy: ['dt'] })
  const sink = new HudiSink({ ...defaults, ...options })
  const openStore: CoordinatorContext['openStore'] = async () => temporary.store
  let tables = 0
  return {
    temporary,
    database,
    coordinator: sink.coordinator({ ...testSourceContext(), schema, lanes: 2, delivery: 'two-phase', openStore }),
    writer: (lane) =>
      sink.writer(testLaneContext({ lane, lanes: 2, schema, openStore, database: async () => database })),
    batch: async (from, to, columns = schema, extra = '1 AS unused') => {
      const relation = `batch ${++tables}`
      await database.run(
        `CREATE TEMP TABLE "${relation}" AS SELECT ${extra}, i::BIGINT AS id, (i * 1.25)::DECIMAL(12,2) AS amount,
         TIMESTAMP_MS '2026-11-21 10:00:00.123' AS ts, '2026-11-' || (19 + i % 2) AS dt FROM range(${from}, ${to}) AS r(i)`,
      )
      const release = (): void => void database.run(`DROP TABLE "${relation}"`)
      const at = { split: 's', from: {}, next: {} }
      return {
        kind: 'batch',
        ...at,
        body: { kind: 'table', relation, schema: columns },
        rows: to - from,
        bytes: 100,
        release,
      }
    },
    [Symbol.asyncDispose]: async () => {
      await database.close()
      await temporary[Symbol.asyncDispose]()
    },
  }
}

/** What a reader of the table finds: number of rows, distinct ids, distinct row names, sum of the amounts. */
async function read(world: World): Promise<{ rows: bigint; ids: bigint; names: bigint; sum: string }> {
  const { snapshot, problems } = await viewHudiTable(world.temporary.store)
  assert.deepEqual(problems, [])
  await world.database.run(
    'CREATE OR REPLACE TEMP TABLE visible (id BIGINT, amount DECIMAL(38,2), name VARCHAR, file VARCHAR, path VARCHAR)',
  )
  for (const path of snapshot) {
    const bytes = (await world.temporary.store.read(path)) ?? Buffer.from('')
    world.database.input.write(bytes, bytes.byteLength)
    await world.database.run(
      `INSERT INTO visible SELECT id, amount, _hoodie_commit_seqno, ltrim(_hoodie_partition_path || '/' || _hoodie_file_name, '/'),
       '${path}' FROM read_parquet('${world.database.input.path}')`,
    )
  }
  const [row] = await world.database.run(
    `SELECT count(*), count(DISTINCT id), count(DISTINCT name), sum(amount)::VARCHAR,
     count(*) FILTER (file IS DISTINCT FROM path) FROM visible`,
  )
  assert.equal(row?.[4], 0n, 'the meta columns name the file that the row is in')
  return {
    rows: row?.[0] as bigint,
    ids: row?.[1] as bigint,
    names: row?.[2] as bigint,
    sum: String(row?.[3]),
  }
}

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

test('a table that got a metadata table meanwhile ends the run, and is committed to when that is gone', async () => {
  await using world = await openWorld()
  const { store } = world.temporary
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 10))
  const cut = await writer.cut({ checkpoint: 2, ticket: await world.coordinator.begin(2, 1) })
  const [committable] = await world.coordinator.combine(1, cut.committables)
  await store.create('.hoodie/metadata/.hoodie/hoodie.properties', Buffer.from(''))
  const json = committable?.committable ?? {}
  const refused = { code: 'SCHEMA', message: /metadata table.*hoodie\.metadata\.enable=false/ }
  await assert.rejects(world.coordinator.commit(PERMIT, json), refused)
  await assert.rejects(world.coordinator.begin(3, 1), refused)
  await store.remove('.hoodie/metadata/.hoodie/hoodie.properties')
  assert.deepEqual(await world.coordinator.commit(PERMIT, json), { outcome: 'committed' })
})

test('columns that the rows have and the table lacks are added when that is wanted', async () => {
  await using world = await openWorld()
  const first = world.writer(0)
  first.begin(1, await world.coordinator.begin(1, 1))
  await first.write(await world.batch(0, 10))
  await commitCut(world, first, 1)
  const schema = [{ name: 'extra', type: 'integer', nullable: true }, ...SCHEMA]
  const sink = new HudiSink({
    ...hudiSinkOptions.parse({ path: world.temporary.path, table: 'lake', partitionBy: ['dt'] }),
    schemaChange: 'evolve',
  })
  const openStore = async (): Promise<TemporaryStore['store']> => world.temporary.store
  const grown = sink.coordinator({ ...testSourceContext(), schema, lanes: 1, delivery: 'two-phase', openStore })
  const { database } = world
  const writer = sink.writer(testLaneContext({ lane: 0, lanes: 1, schema, openStore, database: async () => database }))
  writer.begin(2, await grown.begin(2, 2))
  await writer.write(await world.batch(10, 30, schema, '7::INTEGER AS extra'))
  await commitCut({ ...world, coordinator: grown }, writer, 2)
  const names = (await commitSchemas(world)).map((text) => fieldNames(text))
  assert.deepEqual(names, [SCHEMA.map(({ name }) => name), [...SCHEMA.map(({ name }) => name), 'extra']])
  assert.equal((await read(world)).rows, 30n)
})

test('a partition may be an expression, whose text is a column of the table', async () => {
  const partitionBy = ["strftime(ts, '%Y-%m-%d %H') AS hour", 'dt', 'id % 2 = 0 AS even']
  await using world = await openWorld({ partitionBy })
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await writer.write(await world.batch(0, 10))
  await writer.write(await world.batch(10, 5010))
  await commitCut(world, writer, 1)
  const { snapshot } = await viewHudiTable(world.temporary.store)
  assert.deepEqual(
    snapshot.map((path) => path.slice(0, path.lastIndexOf('/'))),
    ['hour=2026-11-21 10/dt=2026-11-19/even=true', 'hour=2026-11-21 10/dt=2026-11-20/even=false'],
  )
  const [schema] = await commitSchemas(world)
  assert.deepEqual(fieldNames(schema), ['id', 'amount', 'ts', 'dt', 'hour', 'even'])
  const bytes = (await world.temporary.store.read(snapshot[0] ?? '')) ?? Buffer.from('')
  world.database.input.write(bytes, bytes.byteLength)
  const values = await world.database.run(
    `SELECT DISTINCT hour, even, _hoodie_partition_path FROM read_parquet('${world.database.input.path}')`,
  )
  assert.deepEqual(values, [['2026-11-21 10', 'true', 'hour=2026-11-21 10/dt=2026-11-19/even=true']])
})

test('a row whose partition cannot be computed is poison, and its value is not told', async () => {
  await using world = await openWorld({ partitionBy: ["strptime(dt || 'x', '%Y') AS year"] })
  const writer = world.writer(0)
  writer.begin(1, await world.coordinator.begin(1, 1))
  await assert.rejects(
    async () => writer.write(await world.batch(0, 10)),
    (thrown: MillraceError) => {
      assert.equal(thrown.code, 'POISON')
      assert.doesNotMatch(thrown.message, /2026/)
      return true
    },
  )
})

test('a table of another shape is refused before anything is written', async () => {
  await using world = await openWorld()
  await world.coordinator.begin(1, 1)
  for (const [options, schema, about] of [
    [{ partitionBy: [] }, SCHEMA, /partition columns/],
    [{}, SCHEMA.filter(({ name }) => name !== 'ts'), /the rows have no column ts/],
    [{}, SCHEMA.map((column) => (column.name === 'id' ? { ...column, type: 'varchar' } : column)), /column id is long/],
    [{}, [...SCHEMA, { name: 'extra', type: 'bigint', nullable: true }], /the table has no column extra/],
  ] as const) {
    const defaults = hudiSinkOptions.parse({ path: '/lake', table: 'lake', partitionBy: ['dt'] })
    const sink = new HudiSink({ ...defaults, ...options })
    const openStore = async (): Promise<TemporaryStore['store']> => world.temporary.store
    const context = { ...testSourceContext(), schema, lanes: 1, delivery: 'two-phase', openStore } as const
    await assert.rejects(sink.coordinator(context).begin(1, 1), { code: 'SCHEMA', message: about })
  }
})

test('what cannot be stored is found before the start', () => {
  const ask = {
    lanes: 1,
    times: { intervalMs: 1, timeoutMs: 1, maxDowntimeMs: 1, retained: 1 },
    delivery: 'two-phase',
  } as const
  const options = hudiSinkOptions.parse({ path: './lake', table: 'lake', partitionBy: ['nope', 'ts'] })
  const described = connector.sink?.describe(options, {
    ...ask,
    schema: [...SCHEMA, { name: 'n', type: 'uhugeint', nullable: true }],
  })
  assert.deepEqual(
    described?.findings.map(({ message }) => message.split(/[,:]/)[0]),
    ['column n', 'there is no column nope to partition by', 'the column ts has the type timestamp(3)'],
  )
  assert.equal(connector.sink?.describe(options, { ...ask, schema: undefined }).findings.length, 1)
})
