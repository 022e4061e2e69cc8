import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { useKafka } from '../../../scripts/services/kafka.ts'
import type { Item } from '../../core/batch.ts'
import type { SplitReader } from '../../core/source.ts'
import { KafkaAdmin, KafkaClient, PartitionProducer } from '../../clients/kafka/index.ts'
import { testLaneContext } from '../../testkit/lane-context.ts'
import { recordsOf } from '../../testkit/read-splits.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import { kafkaSourceOptions } from './options.ts'
import { KafkaSource } from './source.ts'

const broker = await useKafka()
const { bootstrap } = broker
const PARTITIONS = 2

after(() => broker[Symbol.asyncDispose]())

/** A change as Canal writes it; tables follow each other in a topic as the database's transactions bring them. */
function change(table: string, id: number): string {
  const data = [{ id: String(id), partition: String(id % PARTITIONS) }]
  const mysqlType = { id: 'bigint', partition: 'int' }
  return JSON.stringify({
    database: 'shop',
    table,
    pkNames: ['id'],
    isDdl: false,
    type: 'INSERT',
    mysqlType,
    data,
    old: null,
  })
}

/** Two partitions with changes of three tables, of which two are read, and messages without rows. */
async function open(): Promise<OpenedSource> {
  const topic = `changes-${randomUUID()}`
  const client = new KafkaClient({ brokers: [bootstrap] })
  await new KafkaAdmin(client).createTopic(topic, PARTITIONS, {})
  const records: string[] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const producer = new PartitionProducer(client)
    for (let part = 0; part < 6; part++) {
      const ids = Array.from({ length: 40 }, (_, at) => (part * 40 + at) * PARTITIONS + partition)
      const tables = ids.map((id) => ['orders', 'users', 'private'][(id >> 1) % 3] ?? '')
      await producer.send(
        { topic, partition },
        ids.map((id, at) => ({ value: Buffer.from(change(tables[at] ?? '', id)) })),
      )
      const read = ids.filter((_, at) => tables[at] !== 'private')
      records.push(...read.map((id) => `{"id":${id},"partition":${id % PARTITIONS},"__op":0}`))
    }
  }
  const source = new KafkaSource(
    kafkaSourceOptions.parse({
      brokers: [bootstrap],
      topics: [topic],
      end: 'latest',
      format: 'canal-json',
      tables: ['shop\\.(orders|users)'],
      properties: { 'max.partition.fetch.bytes': '6000' },
    }),
  )
  return {
    records,
    enumerator: () => source.enumerator(),
    reader: () => source.reader(testLaneContext({ tables: true })),
    refused: (splits) => [
      { splits: splits.map((split) => ({ ...split, at: { offset: '1000000' } })), code: 'POSITION_AHEAD' },
    ],
    [Symbol.asyncDispose]: () => client.close(),
  }
}

sourceSuite('Kafka with a feed of changes', open)

test('a batch has one table, and a position between two tables of a piece of the log goes on with the second', async () => {
  await using opened = await open()
  const enumerator = opened.enumerator()
  const splits = await enumerator.discover(new Set(), true)
  const reader = opened.reader()
  const signal = AbortSignal.timeout(20_000)
  const at = new Map(splits.map((one) => [one.split, one.at]))
  const seen: string[] = []
  const tables = new Set<string>()
  let isBetween = false
  while (at.size > 0 && !signal.aborted) {
    reader.assign(splits.flatMap((one) => (at.has(one.split) ? [{ ...one, at: at.get(one.split) ?? {} }] : [])))
    const items = await pollSome(reader, signal)
    // Only the first one is handled; then reading begins again where it ended.
    const [first] = items.filter(({ kind }) => kind !== 'schema-change')
    if (first?.kind === 'split-end') at.delete(first.split)
    if (first?.kind === 'batch') {
      if (first.rows > 0) tables.add(first.table?.id ?? '')
      seen.push(...recordsOf(first))
      at.set(first.split, first.next)
      isBetween ||= 'skip' in first.next
    }
    for (const item of items) if (item.kind === 'batch') item.release()
  }
  await reader.close()
  await enumerator.close()
  assert.ok(isBetween, 'a position stood between two tables')
  assert.deepEqual([...tables].toSorted(byText), ['shop.orders', 'shop.users'])
  assert.deepEqual(seen.toSorted(byText), opened.records.toSorted(byText))
})

test('what a connector sends again is left out, also when reading went on elsewhere in between', async () => {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const topic = `again-${randomUUID()}`
  await new KafkaAdmin(client).createTopic(topic, 1, {})
  const message = (id: number): { key: Buffer; value: Buffer } => {
    const source = { name: 'dbz', db: 'shop', table: 'orders', server_id: 1, file: 'binlog.000001', pos: id * 100 }
    return {
      key: Buffer.from(JSON.stringify({ id })),
      value: Buffer.from(JSON.stringify({ before: null, after: { id }, source, op: 'c' })),
    }
  }
  const producer = new PartitionProducer(client)
  for (const ids of [
    [1, 2, 3],
    [2, 3, 4],
    [1, 2, 3, 4, 5],
  ])
    await producer.send({ topic, partition: 0 }, ids.map(message))
  const options = { brokers: [bootstrap], topics: [topic], end: 'latest', format: 'debezium-json', deduplicate: true }
  const source = new KafkaSource(
    kafkaSourceOptions.parse({ ...options, properties: { 'max.partition.fetch.bytes': '300' } }),
  )
  const schema = [{ name: 'id', type: 'bigint', nullable: false }]
  const enumerator = source.enumerator()
  const [split] = await enumerator.discover(new Set(), true)
  assert.ok(split !== undefined)
  const signal = AbortSignal.timeout(20_000)
  const rows: string[] = []
  let at = split
  for (let isOver = false; !isOver && !signal.aborted;) {
    // Another reader each time, as after a start.
    const reader = source.reader(testLaneContext({ schema }))
    reader.assign([at])
    const [first] = await pollSome(reader, signal)
    isOver = first?.kind === 'split-end'
    if (first?.kind === 'batch') {
      rows.push(...recordsOf(first))
      at = { ...at, at: first.next }
    }
    await reader.close()
  }
  await enumerator.close()
  // The newest place may hold several changes: what comes again of it alone is kept.
  assert.deepEqual(
    rows,
    [1, 2, 3, 3, 4, 4, 5].map((id) => `{"id":${id},"__op":0}`),
  )
})

async function pollSome(reader: SplitReader, signal: AbortSignal): Promise<readonly Item[]> {
  for (;;) {
    const items = await reader.poll(signal)
    if (items.length > 0 || signal.aborted) return items
  }
}

function byText(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}
