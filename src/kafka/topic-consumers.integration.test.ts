import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import type { EachHandler, TopicConsumersOptions } from './index.ts'
import { numbered, QUICK, TestCluster, until } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

async function twoTopics(): Promise<[string, string]> {
  const topics: [string, string] = [await cluster.topic(2), await cluster.topic(1)]
  await cluster.fill([...numbered(topics[0], 40), ...numbered(topics[1], 20)])
  return topics
}

/** Notes what each handler was given. */
function noting(topics: readonly string[]): {
  readonly seen: ReadonlyMap<string, string[]>
  readonly handlers: Record<string, EachHandler>
} {
  const seen = new Map(topics.map((topic) => [topic, [] as string[]]))
  const handlers = topics.map((topic) => [
    topic,
    (message: { text(): string }) => void seen.get(topic)?.push(message.text()),
  ])
  return { seen, handlers: Object.fromEntries(handlers) as Record<string, EachHandler> }
}

const inOrder = (texts: readonly string[] = []): number[] => texts.map(Number).toSorted((a, b) => a - b)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

for (const [name, groupOf] of [
  ['one group', (group: string): TopicConsumersOptions['group'] => group],
  [
    'a group for each topic',
    (group: string): TopicConsumersOptions['group'] =>
      (topic) =>
        `${group}-${topic}`,
  ],
] as const) {
  test(`each topic has its handler, over ${name}, and statistics are of all`, async () => {
    const [one, two] = await twoTopics()
    const group = groupOf(randomUUID())
    const { seen, handlers } = noting([one, two])
    await using consumers = cluster.kafka.consumers({ group, ...QUICK })
    const running = consumers.each(handlers)
    await until(() => consumers.statistics.handled >= 60, 'all are handled', running)
    const { received, handled, lag, freshnessMs } = consumers.statistics
    await consumers.close()
    await running
    assert.deepEqual(inOrder(seen.get(one)), upTo(40))
    assert.deepEqual(inOrder(seen.get(two)), upTo(20))
    assert.deepEqual({ received, handled }, { received: 60, handled: 60 })
    assert.deepEqual([...lag.keys()].toSorted(), [`${one}/0`, `${one}/1`, `${two}/0`].toSorted())
    assert.ok(freshnessMs !== undefined)
    for (const topic of [one, two]) {
      const behind = await cluster.kafka.lag(typeof group === 'string' ? group : group(topic))
      assert.equal(behind.get(`${topic}/0`), 0n, 'what was handled is committed in the group of the topic')
    }
  })
}

test('batches go to the handler of their topic', async () => {
  const [one, two] = await twoTopics()
  const counts = new Map<string, number>()
  await using consumers = cluster.kafka.consumers({ group: randomUUID(), ...QUICK })
  const count =
    (as: string) =>
    (messages: readonly { readonly topic: string }[]): void => {
      assert.ok(messages.every(({ topic }) => topic === as))
      counts.set(as, (counts.get(as) ?? 0) + messages.length)
    }
  const running = consumers.batches({ [one]: count(one), [two]: count(two) }, { messages: 7 })
  await until(() => consumers.statistics.handled >= 60, 'all are handled', running)
  await consumers.close()
  await running
  assert.deepEqual([counts.get(one), counts.get(two)], [40, 20])
})

test('a message that waited for another try comes back to the handler of its topic', async () => {
  const [one, two] = await twoTopics()
  for (const topic of [one, two]) await cluster.kafka.admin().createTopic(`${topic}.retry.1ms`, 1)
  const { seen, handlers } = noting([one, two])
  await using producer = cluster.kafka.producer()
  await using consumers = cluster.kafka.consumers({
    group: randomUUID(),
    ...QUICK,
    retry: { attempts: 1 },
    deadLetters: { producer, delaysMs: [1] },
  })
  const failing: EachHandler = (message, context) => {
    if (message.topic === two && Number(message.text()) % 5 === 0) throw new RangeError('not yet')
    return handlers[two]?.(message, context)
  }
  const running = consumers.each({ ...handlers, [two]: failing })
  await until(() => [...seen.values()].flat().length >= 60, 'all are handled', running)
  await consumers.close()
  await running
  assert.deepEqual(inOrder(seen.get(two)), upTo(20))
})

test('the first error ends all of them', async () => {
  const [one, two] = await twoTopics()
  await using consumers = cluster.kafka.consumers({ group: (topic) => `g-${topic}`, ...QUICK })
  const { handlers } = noting([one])
  const failing: EachHandler = () => {
    throw new RangeError('first')
  }
  await assert.rejects(consumers.each({ ...handlers, [two]: failing }), RangeError)
  await assert.rejects(consumers.each(handlers), /handlers once/)
})
