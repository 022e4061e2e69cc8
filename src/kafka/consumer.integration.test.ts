import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { useKafka } from '../../scripts/services/kafka.ts'
import { runTogether } from './index.ts'
import { numbered, QUICK, until, TestCluster } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

test('what was handled is not delivered again, and what was not is', async () => {
  const topic = await cluster.topic(2)
  await cluster.fill(numbered(topic, 100))
  const group = randomUUID()
  const seen: string[] = []
  const first = cluster.consumer([topic], { group })
  const running = first.each(async (message) => {
    if (seen.length >= 60) throw new Error('enough')
    seen.push(message.text())
  })
  await assert.rejects(running, /enough/)
  await first.close()
  const second = cluster.consumer([topic], { group })
  const reading = second.each((message) => void seen.push(message.text()))
  await until(() => seen.length >= 100, 'the rest')
  await second.close()
  await reading
  assert.deepEqual(
    seen.map(Number).toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, at) => at),
  )
  assert.deepEqual(
    [...(await cluster.kafka.lag(group)).values()].reduce((sum, one) => sum + one, 0n),
    0n,
  )
})

test('messages of a key are handled in their order, keys at the same time', async () => {
  const topic = await cluster.topic(2)
  await cluster.fill(numbered(topic, 400))
  const seen = new Map<string, number[]>()
  let [running, most, handled] = [0, 0, 0]
  await using reader = cluster.consumer([topic], { concurrency: 8, order: 'key' })
  const done = reader.each(async (message) => {
    most = Math.max(most, ++running)
    await pause(1)
    const key = message.key?.toString() ?? ''
    seen.set(key, [...(seen.get(key) ?? []), Number(message.text())])
    running--
    handled++
  })
  await until(() => handled === 400, 'all messages')
  await reader.close()
  await done
  assert.ok(most > 2 && most <= 8, `${most} at the same time`)
  for (const numbers of seen.values())
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
})

test('batches are of one partition, not larger than wanted, and complete', async () => {
  const topic = await cluster.topic(3)
  await cluster.fill(numbered(topic, 250))
  const seen: number[] = []
  await using reader = cluster.consumer([topic])
  const done = reader.batches(
    (messages) => {
      assert.ok(messages.length <= 40)
      assert.equal(new Set(messages.map(({ partition }) => partition)).size, 1)
      seen.push(...messages.map((message) => Number(message.text())))
    },
    { messages: 40, waitMs: 20 },
  )
  await until(() => seen.length === 250, 'all messages')
  await reader.close()
  await done
  assert.equal(new Set(seen).size, 250)
})

test('partitions that appear later are read from their beginning', async () => {
  const topic = await cluster.topic(1)
  const seen: string[] = []
  await using reader = cluster.consumer([topic], { discoveryMs: 100 })
  const done = reader.each((message) => void seen.push(message.text()))
  await until(() => reader.assigned.length === 1, 'the first partition')
  await cluster.kafka.admin().createPartitions(topic, 3)
  await cluster.fill([0, 1, 2].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => seen.length === 3, 'messages of all partitions')
  await reader.close()
  await done
})

test('a paused partition brings nothing until it is resumed', async () => {
  const topic = await cluster.topic(2)
  const seen: string[] = []
  await using reader = cluster.consumer([topic])
  const done = reader.each((message) => void seen.push(message.text()))
  await until(() => reader.assigned.length === 2, 'both partitions')
  reader.pause([{ topic, partition: 0 }])
  await cluster.fill([0, 1].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => seen.length === 1, 'the message of the other one')
  assert.deepEqual(seen, ['p1'])
  reader.resume()
  await until(() => seen.length === 2, 'the message of the paused one')
  await reader.close()
  await done
})

test('manual commits are what the next one begins with', async () => {
  const topic = await cluster.topic(1)
  await cluster.fill(numbered(topic, 20))
  const group = randomUUID()
  const first = cluster.consumer([topic], { group, commit: 'manual' })
  let seen = 0
  const running = first.each(async (message, context) => {
    seen++
    if (message.offset === 11n) await context.commit()
  })
  await until(() => seen === 20, 'all messages')
  await first.close()
  await running
  const [next] = await cluster.read(topic, 1, { group, ...QUICK })
  assert.equal(next?.offset, 12n)
})

test('given partitions are read without membership, in strict order', async () => {
  const topic = await cluster.topic(3)
  await cluster.fill(Array.from({ length: 90 }, (_, at) => ({ topic, partition: at % 3, value: String(at) })))
  const seen = await cluster.read(topic, 30, { partitions: [{ topic, partition: 1 }], group: randomUUID() })
  assert.deepEqual(
    seen.map((message) => Number(message.text())),
    Array.from({ length: 30 }, (_, at) => at * 3 + 1),
  )
})

test('of consumers that run together the first error ends all', async () => {
  const [one, two] = [await cluster.topic(1), await cluster.topic(1)]
  await cluster.fill([{ topic: two, value: 'bad' }])
  const [quiet, failing] = [cluster.consumer([one]), cluster.consumer([two])]
  const all = runTogether([
    { consumer: quiet, run: () => quiet.each(() => undefined) },
    {
      consumer: failing,
      run: () =>
        failing.each(() => {
          throw new RangeError('first')
        }),
    },
  ])
  await assert.rejects(all, RangeError)
})
