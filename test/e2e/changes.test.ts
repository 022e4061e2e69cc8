/** A feed of changes of two tables, one of which gets a column, mirrored into primary-key tables by a job that is killed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaAdmin, KafkaClient, PartitionProducer } from '../../src/clients/kafka/index.ts'
import type { Emulator } from '../../src/testkit/emulators/options.ts'
import { CANARY } from './faults-kit/canary.ts'
import { openTransactions, startWarehouse } from './faults-kit/warehouse.ts'
import type { Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { killAt, settle, type Killable } from './kit/kills.ts'
import { assertBalanced, PipelineHome, positionsOf } from './kit/pipeline-home.ts'
import { Broker } from './kit/topic.ts'

const PARTITIONS = 2
const KEYS = 60
const TABLES = ['orders', 'users'] as const
/** Changes per partition before `orders` gets its column. */
const CHANGE_AT = 120

type Row = { id: number; item: string | null; note?: string | null }

const DEATHS: readonly Cell[] = [
  { name: 'sink.flush', position: 'after', nth: 2 },
  { name: 'sink.prepare', position: 'sent', nth: 3 },
  { name: 'store.manifest.publish', position: 'after', nth: 2 },
  { name: 'commit', position: 'sent', nth: 2 },
  { name: 'confirm', position: 'before', nth: 1 },
]

/** What the database of the feed holds, and the feed. */
class Database {
  readonly name: string
  readonly counts: number[] = Array.from({ length: PARTITIONS }, () => 0)
  readonly rows = new Map<string, Map<number, Row>>(TABLES.map((table) => [table, new Map()]))
  readonly #producer: PartitionProducer
  readonly #chance: Chance

  constructor(name: string, client: KafkaClient, chance: Chance) {
    this.name = name
    this.#producer = new PartitionProducer(client)
    this.#chance = chance
  }

  async append(perPartition: number): Promise<void> {
    for (const [partition] of this.counts.entries()) {
      const messages = Array.from({ length: perPartition }, () => this.#change(partition))
      await this.#producer.send(
        { topic: this.name, partition },
        messages.map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) })),
      )
    }
  }

  /** A key is always in the same partition, as Debezium's partitioning has it. */
  #change(partition: number): { key: string; value: string } {
    const at = (this.counts[partition] ?? 0) + 1
    this.counts[partition] = at
    const table = TABLES[this.#chance.below(TABLES.length)] ?? 'orders'
    const id = this.#chance.below(KEYS / PARTITIONS) * PARTITIONS + partition
    const columns = table === 'orders' && at > CHANGE_AT ? ['id', 'item', 'note'] : ['id', 'item']
    const rows = this.rows.get(table)
    const before = rows?.get(id)
    const isDelete = before !== undefined && this.#chance.below(4) === 0
    const after: Row = { id, item: `${partition}-${at} "x", ü`, ...(columns.length === 3 && { note: `n${at}` }) }
    if (isDelete) rows?.delete(id)
    else rows?.set(id, after)
    const op = isDelete ? 'd' : before === undefined ? 'c' : 'u'
    const source = { connector: 'mysql', db: 'shop', table, file: 'binlog.000001', pos: at }
    const payload = { before: isDelete ? before : null, after: isDelete ? null : after, source, op, ts_ms: 0 }
    return {
      key: JSON.stringify({ schema: { type: 'struct', fields: [] }, payload: { id } }),
      value: JSON.stringify({ schema: schemaOf(columns), payload }),
    }
  }
}

function schemaOf(columns: readonly string[]): object {
  const fields = columns.map((field) => ({
    field,
    type: field === 'id' ? 'int64' : 'string',
    optional: field !== 'id',
  }))
  return { type: 'struct', fields: [{ field: 'after', type: 'struct', fields, optional: true }] }
}

for (const kind of ['starrocks', 'doris'] as const) {
  test(`${kind}: two tables are mirrored exactly, through kills and a new column`, async () => {
    await using broker = await Broker.open()
    await using client = new KafkaClient({ brokers: [broker.address] })
    await using server = await startWarehouse(kind, { tables: [], queryPort: 0 })
    await using home = await PipelineHome.create()
    const topic = `changes-${process.pid}-${kind}`
    await new KafkaAdmin(client).createTopic(topic, PARTITIONS)
    const database = new Database(topic, client, new Chance(7))
    const kafka = `connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: debezium-json, tables: ['shop\\..*']`
    const routes = "routes: [{match: 'shop\\..*', table: 'm_{table}'}]"
    const urls = server.urls.map((url) => `'${url}'`).join(', ')
    const address = `url: [${urls}], queryUrl: ['mysql://127.0.0.1:${server.queryPort}'], password: '${CANARY}'`
    home.write({
      sources: `feed: {${kafka}}`,
      sinks: `mirror: {from: feed, connector: ${kind}, ${address}, database: demo, ${routes}}`,
    })
    const world: Killable = {
      home,
      topic: database,
      isCaughtUp: async () => {
        const { newest, confirmedUpTo } = await home.lineage()
        if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
        return positionsOf(newest, PARTITIONS).every((position, part) => position === database.counts[part])
      },
      auditEnd: async () => {
        for (const table of TABLES) assert.deepEqual(mirrored(server, table), expected(database, table), table)
        assert.deepEqual(openTransactions(server), [])
        assertBalanced(await home.entries())
      },
    }
    await database.append(60)
    let deaths = 0
    for (const cell of DEATHS) if (await killAt(world, cell)) deaths++
    assert.ok(deaths >= DEATHS.length - 1, 'it died nearly everywhere')
    await settle(world)
    await new KafkaAdmin(client).deleteTopic(topic)
  })
}

test('a row of one of several tables that the server refuses is named by its message', async () => {
  await using broker = await Broker.open()
  await using client = new KafkaClient({ brokers: [broker.address] })
  const columns = [
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'item', type: 'VARCHAR(3)' },
  ]
  const orders = { database: 'demo', table: 'orders', model: 'primary', keys: ['id'], columns } as const
  await using server = await startWarehouse('starrocks', { tables: [orders], queryPort: 0 })
  await using home = await PipelineHome.create()
  const topic = `refused-${process.pid}`
  await new KafkaAdmin(client).createTopic(topic, 1)
  const mysqlType = { id: 'bigint', item: 'varchar(20)' }
  const messages = Array.from({ length: 300 }, (_, id) => {
    const data = [{ id: String(id), item: id === 121 ? 'too long' : 'a' }]
    return {
      database: 'shop',
      table: id % 2 === 1 ? 'orders' : 'users',
      pkNames: ['id'],
      type: 'INSERT',
      mysqlType,
      data,
    }
  })
  await new PartitionProducer(client).send(
    { topic, partition: 0 },
    messages.map((one) => ({ value: Buffer.from(JSON.stringify(one)) })),
  )
  const urls = server.urls.map((url) => `'${url}'`).join(', ')
  const address = `url: [${urls}], queryUrl: ['mysql://127.0.0.1:${server.queryPort}'], password: '${CANARY}'`
  home.write({
    sources: `feed: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: canal-json, tables: ['.*']}`,
    sinks: `mirror: {from: feed, connector: starrocks, ${address}, database: demo, routes: [{match: '.*'}]}`,
  })
  await using run = home.start()
  assert.deepEqual(await run.ended(), { code: 71, signal: null })
  assert.match(run.err, new RegExp(`split ${topic}/0, offset 121`))
  assert.ok(!run.err.includes('too long'), 'no value is in the message')
  await new KafkaAdmin(client).deleteTopic(topic)
})

function mirrored(server: Emulator, table: string): unknown[] {
  return server
    .rows('demo', `m_${table}`)
    .map((row) => ({ ...row, id: Number(row['id']) }))
    .toSorted((left, right) => left.id - right.id)
}

function expected(database: Database, table: string): unknown[] {
  const rows = [...(database.rows.get(table)?.values() ?? [])].toSorted((left, right) => left.id - right.id)
  return rows.map((row) => (table === 'orders' ? { ...row, note: row.note ?? null } : row))
}
