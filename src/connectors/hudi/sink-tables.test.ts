import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MillraceError } from '../../core/errors.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { type TemporaryStore } from '../../testkit/temporary-store.ts'
import { connector } from './index.ts'
import { hudiSinkOptions } from './options.ts'
import { HudiSink } from './sink.ts'
import { SCHEMA, PERMIT, commitCut, commitSchemas, fieldNames, openWorld, read } from '../../testkit/hudi-sink-world.ts'

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
