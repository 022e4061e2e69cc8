/** Reading from a real broker: positions, transactions, codecs and everything that may happen to a topic meanwhile. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { useKafka } from '../../../scripts/services/kafka.ts'
import {
  BatchCursor,
  COMMA,
  endTransaction,
  FetchSession,
  KafkaAdmin,
  KafkaClient,
  KafkaTransaction,
  PartitionProducer,
  ValueTarget,
  type Codec,
  type FetchOptions,
  type FetchPosition,
  type OutgoingRecord,
} from './index.ts'

const broker = await useKafka()
const { bootstrap } = broker
const client = new KafkaClient({ brokers: [bootstrap] })
const admin = new KafkaAdmin(client)
const producer = new PartitionProducer(client)

after(async () => {
  await client.close()
  await broker[Symbol.asyncDispose]()
})

let topics = 0

/** A topic of this run's own, so that a shared broker does not matter. */
async function newTopic(partitions = 1, configs: Record<string, string> = {}): Promise<string> {
  const name = `fetch-${process.pid}-${++topics}`
  await admin.createTopic(name, partitions, configs)
  return name
}

function records(...values: string[]): OutgoingRecord[] {
  return values.map((value) => ({ value: Buffer.from(value) }))
}

interface Range {
  readonly from?: bigint
  readonly until: bigint
  readonly partition?: number
  readonly topicId?: string
  readonly options?: FetchOptions
  readonly reader?: KafkaClient
}

/** Values of one partition from `from` until the position reaches `until`, joined by commas. */
async function read(
  topic: string,
  { from = 0n, until, partition = 0, topicId, options = {}, reader = client }: Range,
): Promise<string> {
  await using session = new FetchSession(reader, { waitMs: 50, ...options })
  const id = topicId ?? (await client.topics([topic]))[0]?.topicId ?? ''
  session.assign([{ topic, topicId: id, partition, offset: from }])
  const target = new ValueTarget({ buffer: Buffer.alloc(1 << 20), rowsMax: 100_000, separator: COMMA, isJson: false })
  const cursor = new BatchCursor()
  for (let at = from; at < until;) {
    const response = await session.poll()
    assert.ok(response !== undefined)
    for (const fetched of response.partitions) {
      cursor.load(fetched, until)
      while (!cursor.isDone) cursor.gatherValues(target)
      assert.equal(cursor.offset, fetched.next < until ? fetched.next : until)
      at = cursor.offset
    }
    response.release()
  }
  return target.buffer.toString('latin1', 0, target.length)
}

describe('records', () => {
  test('written with any codec are read in order', async () => {
    const topic = await newTopic()
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies Codec[]) {
      const base = await producer.send({ topic, partition: 0 }, records(`${codec}-1`, `${codec}-2`), { codec })
      assert.equal(await read(topic, { from: base, until: base + 2n }), `${codec}-1,${codec}-2,`)
    }
    assert.equal((await read(topic, { until: 10n })).split(',').length, 11)
  })

  test('of many batches come one response after the other when responses are small', async () => {
    const topic = await newTopic()
    const values = Array.from({ length: 40 }, (_, at) => `${at}-${'x'.repeat(500)}`)
    for (const value of values) await producer.send({ topic, partition: 0 }, records(value))
    const text = await read(topic, { until: 40n, options: { bytesMax: 2000, partitionBytesMax: 1500 } })
    assert.equal(text, values.map((value) => `${value},`).join(''))
  })

  test('of all partitions come from one session, each in order', async () => {
    const topic = await newTopic(4)
    for (let partition = 0; partition < 4; partition++) {
      for (let at = 0; at < 5; at++) await producer.send({ topic, partition }, records(`${partition}.${at}`))
    }
    const [info] = await client.topics([topic])
    await using session = new FetchSession(client, { waitMs: 50, bytesMax: 200, partitionBytesMax: 100 })
    session.assign([0, 1, 2, 3].map((partition) => ({ topic, topicId: info?.topicId ?? '', partition, offset: 1n })))
    const next = [1n, 1n, 1n, 1n]
    while (next.some((offset) => offset < 5n)) {
      const response = await session.poll()
      for (const fetched of response?.partitions ?? []) {
        assert.equal(fetched.from, next[fetched.partition])
        next[fetched.partition] = fetched.next
      }
      response?.release()
    }
    assert.deepEqual(next, [5n, 5n, 5n, 5n])
  })

  test('that come later are delivered to a session that waits, and a signal ends waiting', async () => {
    const topic = await newTopic()
    const waiting = read(topic, { until: 1n })
    await producer.send({ topic, partition: 0 }, records('late'))
    assert.equal(await waiting, 'late,')

    await using session = new FetchSession(client, { waitMs: 20_000 })
    const [info] = await client.topics([topic])
    session.assign([{ topic, topicId: info?.topicId ?? '', partition: 0, offset: 1n }])
    const stop = new AbortController()
    const polled = session.poll(stop.signal)
    stop.abort()
    assert.equal(await polled, undefined)
  })
})

describe('transactions', () => {
  test('that were aborted are never seen, also when one response shows only a part of them', async () => {
    const topic = await newTopic()
    const target = { topic, partition: 0 }
    const id = `tx-${topic}`
    for (const [name, isCommitted] of [
      ['a', false],
      ['b', true],
      ['c', false],
      ['d', false],
      ['e', true],
    ] as const) {
      const transaction = await KafkaTransaction.begin(client, id, 60_000)
      for (let part = 0; part < 4; part++) await transaction.send(target, records(`${name}${part}-${'x'.repeat(200)}`))
      await (isCommitted ? transaction.commit() : transaction.abort())
    }
    // Four records and a marker for each of five transactions.
    const [end = 0n] = await waitForOffset(topic, 25n)
    for (const bytesMax of [300, 700, 1 << 20]) {
      const text = await read(topic, { until: end, options: { bytesMax, partitionBytesMax: bytesMax } })
      assert.deepEqual(text.match(/[a-e]\d/g), ['b0', 'b1', 'b2', 'b3', 'e0', 'e1', 'e2', 'e3'])
    }
    const all = await read(topic, { until: end, options: { isolation: 'uncommitted' } })
    assert.equal(all.match(/[a-e]\d/g)?.length, 20)
  })

  test('that are open hold the end back until they are committed', async () => {
    const topic = await newTopic()
    await producer.send({ topic, partition: 0 }, records('before'))
    const transaction = await KafkaTransaction.begin(client, `open-${topic}`, 60_000)
    await transaction.send({ topic, partition: 0 }, records('inside'))
    const at = [{ topic, partition: 0 }]
    assert.deepEqual(await client.listOffsets(at, 'latest', 'committed'), [1n])
    assert.deepEqual(await client.listOffsets(at, 'latest', 'uncommitted'), [2n])
    await transaction.commit()
    await waitForOffset(topic, 3n)
    assert.equal(await read(topic, { until: 3n }), 'before,inside,')
  })

  test('can be ended by their handle, repeatedly, until the id is used again', async () => {
    const topic = await newTopic()
    const first = await KafkaTransaction.begin(client, `handle-${topic}`, 60_000)
    await first.send({ topic, partition: 0 }, records('kept'))
    await using other = new KafkaClient({ brokers: [bootstrap] })
    await endTransaction(other, first.handle, true)
    await endTransaction(other, first.handle, true)
    const second = await KafkaTransaction.begin(client, `handle-${topic}`, 60_000)
    await assert.rejects(endTransaction(other, first.handle, true), { code: 'FENCED' })
    assert.equal(second.hasData, false)
    assert.equal(await read(topic, { until: 1n }), 'kept,')
  })

  async function waitForOffset(topic: string, offset: bigint): Promise<bigint[]> {
    for (;;) {
      const latest = await client.listOffsets([{ topic, partition: 0 }], 'latest', 'committed')
      if (latest.every((end) => end >= offset)) return latest
    }
  }
})

describe('positions', () => {
  test('below what retention left are POSITION_LOST with the served range', async () => {
    const topic = await newTopic()
    await producer.send({ topic, partition: 0 }, records('a', 'b', 'c'))
    await admin.deleteRecords({ topic, partition: 0 }, 2n)
    await assert.rejects(read(topic, { from: 1n, until: 3n }), {
      code: 'POSITION_LOST',
      detail: { topic, partition: 0, offset: '1', start: '2', end: '3' },
    })
    assert.equal(await read(topic, { from: 2n, until: 3n }), 'c,')
  })

  test('beyond the end are POSITION_AHEAD with the served range', async () => {
    const topic = await newTopic()
    await producer.send({ topic, partition: 0 }, records('a'))
    await assert.rejects(read(topic, { from: 7n, until: 8n }), {
      code: 'POSITION_AHEAD',
      detail: { topic, partition: 0, offset: '7', start: '0', end: '1' },
    })
  })

  test('in a topic that was deleted, or created again, are POSITION_LOST', async () => {
    const topic = await newTopic()
    await producer.send({ topic, partition: 0 }, records('old'))
    const [old] = await client.topics([topic])
    await admin.deleteTopic(topic)
    // With little patience: a session asks for two seconds before it believes that a topic is gone.
    await using reader = new KafkaClient({ brokers: [bootstrap], retryTimeoutMs: 100 })
    await assert.rejects(read(topic, { reader, topicId: old?.topicId ?? '', until: 1n }), {
      code: 'POSITION_LOST',
      message: /was deleted/,
    })
    await admin.createTopic(topic, 1)
    await new PartitionProducer(client).send({ topic, partition: 0 }, records('new'))
    await assert.rejects(read(topic, { reader, topicId: old?.topicId ?? '', until: 1n }), {
      code: 'POSITION_LOST',
      message: /was re-created/,
    })
    assert.equal(await read(topic, { until: 1n }), 'new,')
  })

  test('are found by time, and a time after the last record gives the end', async () => {
    const topic = await newTopic()
    const timed = [1000n, 2000n, 3000n].map((timestampMs) => ({ value: Buffer.from('v'), timestampMs }))
    await producer.send({ topic, partition: 0 }, timed)
    const at = [{ topic, partition: 0 }]
    assert.deepEqual(await client.listOffsets(at, { timestampMs: 1500n }), [1n])
    assert.deepEqual(await client.listOffsets(at, { timestampMs: 9999n }), [3n])
    assert.deepEqual(await client.listOffsets(at, 'earliest'), [0n])
  })
})

describe('assigning', () => {
  test('while a poll waits takes effect, and nothing of the old assignment is delivered', async () => {
    const [first, second] = [await newTopic(), await newTopic()]
    await producer.send({ topic: first, partition: 0 }, records('a'))
    await producer.send({ topic: second, partition: 0 }, records('b'))
    const infos = await client.topics([first, second])
    const at = (index: number, offset: bigint): FetchPosition => {
      const { name: topic = '', topicId = '' } = infos[index] ?? {}
      return { topic, topicId, partition: 0, offset }
    }
    await using session = new FetchSession(client, { waitMs: 20_000 })
    session.assign([at(0, 1n)])
    const polled = session.poll()
    session.assign([at(1, 0n)])
    const response = await polled
    assert.deepEqual(
      response?.partitions.map(({ topic, next }) => [topic, next]),
      [[second, 1n]],
    )
  })
})

describe('topics', () => {
  test('that match a pattern are found with the partitions that were added', async () => {
    const first = await newTopic(1)
    const second = await newTopic(2)
    await admin.createPartitions(first, 3)
    const found = await client.topicsMatching(`^(${first}|${second})$`)
    assert.deepEqual(
      found.map(({ name, partitions }) => [name, partitions.length]),
      [
        [first, 3],
        [second, 2],
      ],
    )
  })

  test('that do not exist are a CONFIG error that names them', async () => {
    await assert.rejects(client.topics(['no-such-topic']), {
      code: 'CONFIG',
      message: /no-such-topic.*UNKNOWN_TOPIC_OR_PARTITION/,
    })
  })

  test('tell their settings', async () => {
    const topic = await newTopic(1, { 'retention.ms': '12345678' })
    const settings = await admin.topicConfigs(topic, ['retention.ms', 'message.timestamp.type'])
    assert.deepEqual(
      [...settings].sort(([a], [b]) => (a < b ? -1 : 1)),
      [
        ['message.timestamp.type', 'CreateTime'],
        ['retention.ms', '12345678'],
      ],
    )
  })

  test('keep offsets for a group, which lag tools show', async () => {
    const topic = await newTopic(2)
    const offsets = [
      { topic, partition: 0, offset: 5n },
      { topic, partition: 1, offset: 7n },
    ]
    await admin.commitGroupOffsets(`group-${topic}`, offsets)
    const found = await admin.groupOffsets(`group-${topic}`)
    assert.deepEqual(
      found.toSorted((a, b) => a.partition - b.partition),
      offsets,
    )
  })
})
