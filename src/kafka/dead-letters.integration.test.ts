import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import {
  DEAD_LETTER_HEADERS,
  MillraceError,
  redriven,
  type Consumer,
  type ConsumerOptions,
  type DeadLetter,
  type Transaction,
} from './index.ts'
import { QUICK, TestCluster, until } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

/** A topic with its topics for delayed tries and dead letters. */
async function topics(...more: readonly string[]): Promise<string> {
  const topic = await cluster.topic(1)
  for (const name of ['dlq', ...more]) await cluster.kafka.admin().createTopic(`${topic}.${name}`, 1)
  return topic
}

async function fill(topic: string, count: number): Promise<void> {
  await cluster.fill(Array.from({ length: count }, (_, at) => ({ topic, key: `k${at}`, value: String(at) })))
}

/** Handles until everything is handled or has a letter; every third message is poison. */
async function work(topic: string, count: number, options: Partial<ConsumerOptions>): Promise<string[]> {
  const seen: string[] = []
  await using consumer: Consumer = cluster.kafka.consumer({
    group: `g-${topic}`,
    topics: [topic],
    ...QUICK,
    ...options,
  })
  const running = consumer.each((message) => {
    if (Number(message.text()) % 3 === 0) throw new RangeError('poison')
    seen.push(message.text())
  })
  const isDone = (): boolean => seen.length + consumer.statistics.deadLettered >= count
  await until(isDone, 'an answer to every message', running)
  await consumer.close()
  await running
  return seen
}

async function all(letters: AsyncIterable<DeadLetter>): Promise<DeadLetter[]> {
  return await Array.fromAsync(letters)
}

test('letter and offset are committed in one transaction: when that is lost, both come again, and once', async () => {
  const topic = await topics()
  await fill(topic, 9)
  const producer = cluster.kafka.transactionalProducer({ transactionalId: `letters-${topic}` })
  let lost = 0
  const losing = {
    transaction: <T>(act: (transaction: Transaction) => Promise<T>): Promise<T> =>
      producer.transaction(async (transaction) => {
        await act(transaction)
        if (++lost === 2) throw new Error('the process is lost here')
        return undefined as T
      }),
  }
  await assert.rejects(work(topic, 9, { deadLetters: { producer: losing } }), /lost here/)
  // What was handled before the loss is committed: from the message of the lost letter on it comes again.
  await work(topic, 6, { deadLetters: { producer: losing } })
  const letters = await all(cluster.kafka.deadLetters(`${topic}.dlq`).list())
  assert.deepEqual(
    letters.map(({ message, origin }) => [message.text(), origin?.offset]),
    [
      ['0', 0n],
      ['3', 3n],
      ['6', 6n],
    ],
  )
  const lag = await cluster.kafka.lag(`g-${topic}`)
  assert.equal(lag.get(`${topic}/0`), 0n)
})

test('a transaction of the handler, delayed tries and dead letters go together: every message has one answer or one letter', async () => {
  const topic = await topics('retry.10ms', 'out')
  await fill(topic, 12)
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `work-${topic}` })
  await using consumer = cluster.kafka.consumer({
    group: `g-${topic}`,
    topics: [topic],
    ...QUICK,
    commit: 'none',
    retry: { attempts: 2, baseMs: 1 },
    deadLetters: { producer: transactions, delaysMs: [10] },
  })
  const running = consumer.each((message, context) =>
    transactions.transaction(async (transaction) => {
      await transaction.send({ topic: `${topic}.out`, value: message.text() })
      if (Number(message.text()) % 4 === 0) throw new RangeError('poison')
      await transaction.sendOffsets(context.offsets())
    }),
  )
  // Three of the twelve come again after their delay.
  await until(() => consumer.statistics.handled === 15, 'all tries', running)
  await consumer.close()
  await running
  const letters = await all(cluster.kafka.deadLetters(`${topic}.dlq`).list())
  assert.deepEqual(
    letters.map(({ message, attempts, error }) => [message.text(), attempts, error.name]),
    ['0', '4', '8'].map((text) => [text, 4, 'RangeError']),
  )
  const out = await cluster.read(`${topic}.out`, 9)
  assert.equal(new Set(out.map((message) => message.text())).size, 9)
  const lag = await cluster.kafka.lag(`g-${topic}`)
  // Behind the last delayed message is the marker of its transaction.
  assert.deepEqual([lag.get(`${topic}/0`), lag.get(`${topic}.retry.10ms/0`)], [0n, 1n])
})

test('letters are listed, looked at, edited and put back once; what fails again is kept and goes round no more', async () => {
  const topic = await topics()
  await fill(topic, 10)
  await using producer = cluster.kafka.producer()
  const options = { deadLetters: { producer } }
  await work(topic, 10, options)
  const box = cluster.kafka.deadLetters(`${topic}.dlq`)
  const [first] = await all(box.list())
  assert.deepEqual(
    [first?.message.text(), first?.origin?.topic, first?.error.message, first?.redriven],
    ['0', topic, 'poison', 0],
  )
  assert.equal((await box.get({ partition: 0, offset: 1n }))?.message.text(), '3')
  assert.equal(await box.get({ partition: 0, offset: 99n }), undefined)

  const decisions = new Map<string, 'redrive' | 'keep' | 'drop' | { value: string }>([
    ['0', 'redrive'],
    ['3', { value: '100' }],
    ['6', 'keep'],
    ['9', 'drop'],
  ])
  const done = await box.redrive(({ message }) => decisions.get(message.text()) ?? 'drop')
  assert.deepEqual(done, { redriven: 2, kept: 1, dropped: 1, refused: 0 })
  // The one as it was fails again, the edited one does not.
  assert.deepEqual(await work(topic, 2, options), ['100'])
  const left = await all(box.list())
  assert.deepEqual(
    left.map(({ message, redriven }) => [message.text(), redriven]),
    [
      ['6', 0],
      ['0', 1],
    ],
  )
  assert.deepEqual(await box.redrive(({ redriven }) => (redriven === 0 ? 'drop' : 'redrive')), {
    redriven: 0,
    kept: 0,
    dropped: 1,
    refused: 1,
  })
  assert.deepEqual(await box.redrive(() => 'redrive', { redrivesMax: 2 }), {
    redriven: 1,
    kept: 0,
    dropped: 0,
    refused: 0,
  })
  assert.deepEqual(await all(box.list()), [])
})

test('a remedy that was interrupted goes on with the letters that nothing was decided for', async () => {
  const topic = await topics()
  await fill(topic, 9)
  await using producer = cluster.kafka.producer()
  await work(topic, 9, { deadLetters: { producer } })
  const box = cluster.kafka.deadLetters(`${topic}.dlq`)
  let asked = 0
  const interrupted = box.redrive(
    () => {
      if (++asked === 2) throw new Error('enough')
      return 'redrive'
    },
    { batchLetters: 1 },
  )
  await assert.rejects(interrupted, /enough/)
  assert.equal((await box.redrive(() => 'redrive')).redriven, 2)
  const back = (await cluster.read(topic, 12)).slice(9).map((message) => message.text())
  assert.deepEqual(back, ['0', '3', '6'])
})

test('options that would lose messages, and letters that would come back at once, are refused', async () => {
  const producer = cluster.kafka.transactionalProducer({ transactionalId: randomUUID() })
  const make = (options: Partial<ConsumerOptions>) => (): Consumer =>
    cluster.kafka.consumer({ group: 'x', topics: ['x'], ...options })
  const isConfig = (error: unknown): boolean => error instanceof MillraceError && error.code === 'CONFIG'
  assert.throws(make({ commit: 'none', order: 'key' }), isConfig)
  assert.throws(make({ commit: 'manual', deadLetters: { producer } }), isConfig)
  assert.throws(make({ order: 'key', deadLetters: { producer } }), isConfig)
  const topic = await topics()
  await fill(topic, 1)
  await using plain = cluster.kafka.producer()
  await work(topic, 1, { deadLetters: { producer: plain } })
  await using reader = cluster.kafka.consumer({
    group: randomUUID(),
    topics: [`${topic}.dlq`],
    ...QUICK,
    deadLetters: { producer: plain },
  })
  const failing = reader.each(() => {
    throw new RangeError('still poison')
  })
  await assert.rejects(failing, /still poison/)
})

test('a message that always fails is tried, delayed, and ends as a dead letter that knows where it came from', async () => {
  const topic = await cluster.topic(1)
  const [retry, dead] = [`${topic}.retry.50ms`, `${topic}.dlq`]
  for (const name of [retry, dead]) await cluster.kafka.admin().createTopic(name, 1)
  await cluster.fill([
    { topic, key: 'a', value: 'good' },
    { topic, key: 'b', value: 'bad', headers: { own: 'kept' } },
    { topic, key: 'c', value: 'fine' },
  ])
  await using producer = cluster.kafka.producer()
  const tries: string[] = []
  await using reader = cluster.consumer([topic], {
    retry: { attempts: 2, baseMs: 1 },
    deadLetters: { producer, delaysMs: [50] },
  })
  const done = reader.each((message) => {
    tries.push(message.text())
    if (message.text() === 'bad') throw new TypeError('cannot')
  })
  await until(() => reader.statistics.deadLettered === 1, 'a dead letter')
  await reader.close()
  await done
  assert.deepEqual(
    tries.filter((text) => text !== 'bad'),
    ['good', 'fine'],
  )
  assert.equal(tries.filter((text) => text === 'bad').length, 4)
  const [letter] = await cluster.read(dead, 1)
  const header = (name: keyof typeof DEAD_LETTER_HEADERS): string | undefined =>
    letter?.headers.get(DEAD_LETTER_HEADERS[name])?.toString()
  assert.deepEqual(
    [
      header('topic'),
      header('partition'),
      header('offset'),
      header('attempts'),
      header('errorClass'),
      header('errorMessage'),
    ],
    [topic, '0', '1', '4', 'TypeError', 'cannot'],
  )
  assert.deepEqual(
    [letter?.key?.toString(), letter?.text(), letter?.headers.get('own')?.toString()],
    ['b', 'bad', 'kept'],
  )
  assert.ok(letter !== undefined)
  const back = redriven(letter)
  assert.deepEqual([back?.topic, Object.keys(back?.headers ?? {})], [topic, ['own', DEAD_LETTER_HEADERS.redriven]])
})
