import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { partitionOfKey } from '../clients/kafka/index.ts'
import { encodeJson, JsonNumber, leastBytes, roundRobin, type Message } from './index.ts'
import { TestCluster } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

test('a message comes back as it was sent, with all that belongs to it, in every compression', async () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const topic = await cluster.topic(3)
    await using producer = cluster.kafka.producer({ compression })
    const value = encodeJson({ id: 2n ** 60n, amount: new JsonNumber('12345678901234567890.10') })
    const headers = { 'correlation-id': 'ü', none: null, raw: Buffer.from([0, 255]) }
    const stored = await producer.send({ topic, key: 'k', value, headers, timestampMs: 1_700_000_000_123 })
    assert.deepEqual(stored, { topic, partition: partitionOfKey(3, Buffer.from('k')), offset: 0n })
    await producer.send({ topic, key: 'k', value: null })
    const [first, second] = await cluster.read(topic, 2)
    assert.equal(first?.text(), '{"id":1152921504606846976,"amount":12345678901234567890.10}')
    assert.deepEqual([first.key?.toString(), first.timestampMs], ['k', 1_700_000_000_123])
    const back = first.headers
    assert.deepEqual(
      [back.get('correlation-id')?.toString(), back.get('none'), back.get('raw')],
      ['ü', null, headers.raw],
    )
    assert.deepEqual(first.json(), { id: 2n ** 60n, amount: new JsonNumber('12345678901234567890.10') })
    assert.deepEqual([second?.value, second?.json()], [null, null])
  }
})

test('many messages of one key keep their order, and every send tells its own offset', async () => {
  const topic = await cluster.topic(4)
  await using producer = cluster.kafka.producer({ batchBytes: 2048, batchMessages: 7 })
  const stored = await Promise.all(
    Array.from({ length: 500 }, (_, at) => producer.send({ topic, key: 'same', value: String(at) })),
  )
  assert.deepEqual(
    stored.map(({ offset }) => Number(offset)),
    stored.map((_, at) => at),
  )
  const seen = await cluster.read(topic, 500)
  assert.deepEqual(
    seen.map((message) => message.text()),
    stored.map((_, at) => String(at)),
  )
})

test('what is enqueued is there after a flush, and memory stays bounded', async () => {
  const topic = await cluster.topic(2)
  await using producer = cluster.kafka.producer({ bufferBytes: 64 * 1024, batchBytes: 8 * 1024 })
  let largest = 0
  for (let at = 0; at < 5000; at++) {
    const full = producer.enqueue({ topic, value: `${at}`.padEnd(200, '.') })
    if (full !== undefined) await full
    largest = Math.max(largest, producer.statistics.waitingBytes)
  }
  await producer.flush()
  assert.ok(largest < 66 * 1024, `${largest} bytes waited`)
  const { messages, failed, waitingBytes } = producer.statistics
  assert.deepEqual([messages, failed, waitingBytes], [5000, 0, 0])
  const seen = await cluster.read(topic, 5000)
  assert.equal(new Set(seen.map((message) => message.text())).size, 5000)
})

test('a message that cannot be stored is told about, and the ones after it are stored', async () => {
  const topic = await cluster.topic(1)
  const told: string[] = []
  await using producer = cluster.kafka.producer({ onError: (error, count) => told.push(`${error.code} ${count}`) })
  await assert.rejects(producer.send({ topic, value: 'x'.repeat(3_000_000) }), /MESSAGE_TOO_LARGE/)
  await producer.enqueue({ topic, value: 'x'.repeat(3_000_000) })
  await producer.flush()
  await producer.enqueue({ topic: `${topic}-missing`, value: 'x' })
  await producer.flush()
  assert.deepEqual(told, ['CONFIG 1', 'CONFIG 1'])
  await producer.send({ topic, value: 'good' })
  assert.deepEqual(
    (await cluster.read(topic, 1)).map((message) => message.text()),
    ['good'],
  )
  await using silent = cluster.kafka.producer()
  await silent.enqueue({ topic: `${topic}-missing`, value: 'x' })
  await assert.rejects(silent.flush(), /UNKNOWN_TOPIC/)
  await assert.rejects(producer.send({ topic, value: '', partition: 7 }), /no partition 7/)
})

test('partitioners spread as they say', async () => {
  const choice = (message: Message, waiting: readonly number[] = []): Parameters<ReturnType<typeof roundRobin>>[0] => ({
    message,
    key: null,
    partitions: 3,
    waitingBytes: (partition) => waiting[partition] ?? 0,
  })
  const turns = roundRobin()
  const message = { topic: 'a', value: '' }
  assert.deepEqual(
    [turns(choice(message)), turns(choice(message)), turns(choice({ ...message, topic: 'b' }))],
    [0, 1, 0],
  )
  assert.equal(leastBytes()(choice(message, [5, 1, 3])), 1)
})

test('several topics are written at once or not at all', async () => {
  const [one, two] = [await cluster.topic(2), await cluster.topic(1)]
  const producer = cluster.kafka.transactionalProducer({ transactionalId: `tx-${one}` })
  await producer.transaction(async (transaction) => {
    await transaction.send({ topic: one, value: 'a' })
    await transaction.send([
      { topic: two, value: 'b' },
      { topic: one, key: 'k', value: 'c' },
    ])
  })
  const failing = producer.transaction(async (transaction) => {
    await transaction.send({ topic: one, value: 'never' })
    await transaction.send({ topic: two, value: 'never' })
    throw new Error('changed my mind')
  })
  await assert.rejects(failing, /changed my mind/)
  await producer.transaction(async (transaction) => transaction.send({ topic: two, value: 'd' }))
  assert.deepEqual(new Set((await cluster.read(one, 2)).map((message) => message.text())), new Set(['a', 'c']))
  assert.deepEqual(
    (await cluster.read(two, 2)).map((message) => message.text()),
    ['b', 'd'],
  )
})

test('of two producers with one id the later one goes on and the earlier one is fenced for good', async () => {
  const topic = await cluster.topic(1)
  const make = (): ReturnType<typeof cluster.kafka.transactionalProducer> =>
    cluster.kafka.transactionalProducer({ transactionalId: `zombie-${topic}` })
  const [old, young] = [make(), make()]
  await old.transaction((transaction) => transaction.send({ topic, value: 'before' }))
  const { promise: isOpen, resolve: opened } = Promise.withResolvers<void>()
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const sleeping = old.transaction(async (transaction) => {
    await transaction.send({ topic, value: 'zombie' })
    opened()
    await mayEnd
    await transaction.send({ topic, value: 'zombie too' })
  })
  await isOpen
  await young.transaction((transaction) => transaction.send({ topic, value: 'after' }))
  end()
  await assert.rejects(sleeping, { code: 'FENCED' })
  await assert.rejects(
    old.transaction((transaction) => transaction.send({ topic, value: 'again' })),
    { code: 'FENCED' },
  )
  await young.transaction((transaction) => transaction.send({ topic, value: 'more' }))
  assert.deepEqual(
    (await cluster.read(topic, 3)).map((message) => message.text()),
    ['before', 'after', 'more'],
  )
})

test('ping tells what can be worked with', async () => {
  const topic = await cluster.topic(1)
  const good = await cluster.kafka.ping([topic], 'a-group')
  assert.deepEqual([good.isHealthy, good.brokers, good.problems], [true, 1, []])
  const bad = await cluster.kafka.ping([`${topic}-missing`])
  assert.deepEqual([bad.isHealthy, bad.problems.length], [false, 1])
  await using nobody = new TestCluster('127.0.0.1:1')
  assert.equal((await nobody.kafka.ping()).isHealthy, false)
})
