import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { useKafka } from '../../../scripts/services/kafka.ts'
import { KafkaAdmin, KafkaClient, PartitionProducer } from '../../clients/kafka/index.ts'
import type { Item } from '../../core/batch.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { testLaneContext } from '../../testkit/lane-context.ts'
import { recordsOf } from '../../testkit/read-splits.ts'
import { kafkaSourceOptions } from './options.ts'
import { KafkaSource } from './source.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

const BASE = 449_876_543_210_987_000n
const TRANSACTIONS = 60

/** Timestamps are larger than a double holds exactly. */
function withTimestamp(message: object, name: string, ts: number): string {
  return JSON.stringify({ ...message, _tidb: { [name]: 0 } }).replace(`"${name}":0`, `"${name}":${BASE + BigInt(ts)}`)
}

function change(table: string, id: number, ts: number): string {
  const mysqlType = { id: 'bigint', ts: 'int' }
  const data = [{ id: String(id), ts: String(ts) }]
  const row = { id: 0, database: 'd', table, pkNames: ['id'], isDdl: false, type: 'INSERT', mysqlType, data, old: null }
  return withTimestamp(row, 'commitTs', ts)
}

function watermark(ts: number): string {
  const message = {
    id: 0,
    database: '',
    table: '',
    pkNames: null,
    isDdl: false,
    type: 'TIDB_WATERMARK',
    data: null,
    old: null,
  }
  return withTimestamp(message, 'watermarkTs', ts)
}

/** A transaction changes a key of each table in each partition; the second partition tells its watermarks late, and repeats. */
async function feedOf(client: KafkaClient): Promise<{ topic: string; rows: string[] }> {
  const topic = `feed-${randomUUID()}`
  await new KafkaAdmin(client).createTopic(topic, 2, {})
  const messages: string[][] = [[], []]
  const rows: string[] = []
  for (let ts = 1; ts <= TRANSACTIONS; ts++) {
    for (const partition of [0, 1]) {
      for (const table of ['a', 'b']) {
        const id = (ts % 5) * 2 + partition
        messages[partition]?.push(change(table, id, ts))
        rows.push(`d.${table} {"id":${id},"ts":${ts},"__op":0}`)
      }
    }
    messages[0]?.push(watermark(ts + 1))
    if (ts % 9 !== 0) continue
    // After a failover: what came before, and older watermarks.
    for (const table of ['a', 'b']) messages[1]?.push(change(table, ((ts - 3) % 5) * 2 + 1, ts - 3))
    messages[1]?.push(watermark(ts - 3), watermark(ts + 1))
  }
  messages[1]?.push(watermark(TRANSACTIONS + 1))
  for (const partition of [0, 1]) {
    const producer = new PartitionProducer(client)
    const all = messages[partition] ?? []
    for (let at = 0; at < all.length; at += 7) {
      await producer.send(
        { topic, partition },
        all.slice(at, at + 7).map((value) => ({ value: Buffer.from(value) })),
      )
    }
  }
  return { topic, rows }
}

function sourceOf(topic: string): KafkaSource {
  return new KafkaSource(
    kafkaSourceOptions.parse({
      brokers: [bootstrap],
      topics: [topic],
      end: 'latest',
      format: 'ticdc-canal-json',
      tables: ['d\\..*'],
      properties: { 'max.partition.fetch.bytes': '2000' },
    }),
  )
}

async function pollSome(reader: SplitReader, signal: AbortSignal): Promise<readonly Item[]> {
  for (;;) {
    const items = await reader.poll(signal)
    if (items.length > 0 || signal.aborted) return items
  }
}

/** Reads on from the position behind every `handled`th item. */
async function readAll(source: KafkaSource, handled: number): Promise<string[]> {
  const enumerator = source.enumerator()
  const [split] = await enumerator.discover(new Set(), true)
  assert.ok(split !== undefined)
  let at: SplitAssignment = split
  const reader = source.reader(testLaneContext({ tables: true }))
  const signal = AbortSignal.timeout(20_000)
  const rows: string[] = []
  let left = handled
  reader.assign([at])
  for (let isOver = false; !isOver && !signal.aborted;) {
    for (const item of await pollSome(reader, signal)) {
      if (left > 0 && item.kind === 'split-end') isOver = true
      if (left > 0 && item.kind === 'batch') {
        rows.push(...recordsOf(item).map((row) => `${item.table?.id} ${row}`))
        at = { ...at, at: item.next }
        left--
      }
      if (item.kind === 'batch') item.release()
    }
    if (left > 0) continue
    left = handled
    await enumerator.verify([at])
    reader.assign([at])
  }
  await reader.close()
  await enumerator.close()
  return rows
}

test('a feed with watermarks gives every change once, in the order of commits, wherever reading goes on', async () => {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const { topic, rows } = await feedOf(client)
  for (const handled of [1, 2, 3, 1000]) {
    const read = await readAll(sourceOf(topic), handled)
    for (const table of ['d.a', 'd.b']) {
      const of = (all: readonly string[]): string[] => all.filter((row) => row.startsWith(table))
      const times = of(read).map((row) => Number(/"ts":(\d+)/.exec(row)?.[1]))
      assert.deepEqual(
        times,
        times.toSorted((left, right) => left - right),
        `${table}, every ${handled}`,
      )
      assert.deepEqual(of(read).toSorted(byText), of(rows).toSorted(byText), `${table}, every ${handled}`)
    }
  }
})

test('a feed that got a partition, or whose messages have no timestamps, halts', async () => {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const topic = `feed-${randomUUID()}`
  await new KafkaAdmin(client).createTopic(topic, 1, {})
  const source = sourceOf(topic)
  const enumerator = source.enumerator()
  const [split] = await enumerator.discover(new Set(), true)
  assert.ok(split !== undefined)
  const fewer = { ...split, spec: { partitions: [] }, at: { offsets: {}, covered: '0' } }
  await assert.rejects(enumerator.verify([fewer]), { code: 'POSITION_LOST' })
  const { _tidb: _extension, ...plain } = JSON.parse(change('a', 1, 1)) as Record<string, unknown>
  await new PartitionProducer(client).send({ topic, partition: 0 }, [{ value: Buffer.from(JSON.stringify(plain)) }])
  const [now] = await enumerator.discover(new Set(), true)
  const reader = source.reader(testLaneContext({ tables: true }))
  reader.assign(now === undefined ? [] : [now])
  await assert.rejects(pollSome(reader, AbortSignal.timeout(20_000)), { code: 'POISON' })
  await reader.close()
  await enumerator.close()
})

test('a message that turns out unreadable when its schema comes is named by its place, and not put aside', async () => {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const topic = `feed-${randomUUID()}`
  await new KafkaAdmin(client).createTopic(topic, 1, {})
  const at = { location: 'Asia/Shanghai', value: '2024-01-01 00:00:00' }
  const of = { version: 1, database: 'd', table: 't', commitTs: 5 }
  const columns = [{ name: 'at', dataType: { mysqlType: 'timestamp' }, nullable: true }]
  const messages = [
    { ...of, type: 'WATERMARK', commitTs: 4 },
    { ...of, type: 'INSERT', schemaVersion: 3, data: { at }, old: null },
    {
      ...of,
      type: 'BOOTSTRAP',
      commitTs: 0,
      tableSchema: { schema: 'd', table: 't', version: 3, columns, indexes: [] },
    },
  ]
  const values = messages.map((message) => ({ value: Buffer.from(JSON.stringify(message)) }))
  await new PartitionProducer(client).send({ topic, partition: 0 }, values)
  const options = { brokers: [bootstrap], topics: [topic], start: 'earliest', end: 'latest', format: 'ticdc-simple' }
  const source = new KafkaSource(kafkaSourceOptions.parse(options))
  const enumerator = source.enumerator()
  const reader = source.reader(testLaneContext({ takesBroken: true }))
  try {
    reader.assign(await enumerator.discover(new Set(), true))
    const read = async (): Promise<void> => {
      const signal = AbortSignal.timeout(120_000)
      while (!signal.aborted) await reader.poll(signal)
    }
    const message = /partition 0 at offset 1: .*time zone Asia\/Shanghai.*not put aside as a dead letter/
    await assert.rejects(read(), { code: 'POISON', message })
  } finally {
    await reader.close()
    await enumerator.close()
  }
})

function byText(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}
