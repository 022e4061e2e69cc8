/** Offsets that are committed in the transaction of what was made of the messages. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { numbered, until, TestCluster } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

test('read, process, write: every input has one output, whatever is thrown in between', async () => {
  const [input, output] = [await cluster.topic(2), await cluster.topic(2)]
  await cluster.fill(numbered(input, 200))
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `rpw-${input}` })
  let written = 0
  for (let life = 0; written < 200; life++) {
    assert.ok(life < 40, 'it ends')
    const reader = cluster.consumer([input], { group, commit: 'none' })
    const running = reader.batches(
      (messages, context) =>
        transactions.transaction(async (transaction) => {
          await transaction.send(messages.map((message) => ({ topic: output, value: message.text() })))
          if (life % 3 === 0) throw new Error('before the offsets')
          await transaction.sendOffsets(context.offsets())
          if (life % 3 === 1 && written > 0) throw new Error('after the offsets')
          written += messages.length
        }),
      { messages: 25, waitMs: 5 },
    )
    await Promise.race([running.catch(() => undefined), until(() => written >= 200, 'all outputs')])
    await reader.close()
    await running.catch(() => undefined)
  }
  const seen = await cluster.read(output, 200)
  assert.deepEqual(
    seen.map((message) => Number(message.text())).toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, at) => at),
  )
})

test('a static member that was excluded while it committed a transaction comes back, and every input has one output', async () => {
  const [input, output] = [await cluster.topic(1), await cluster.topic(1)]
  await cluster.fill(numbered(input, 30))
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `excluded-${input}` })
  const deadLetters = { producer: { send: () => assert.fail('no message is to blame') } }
  const options = { group, instanceId: 'one', commit: 'none', deadLetters } as const
  await using reader = cluster.consumer([input], options)
  let written = 0
  const running = reader.batches(
    (messages, context) =>
      transactions.transaction(async (transaction) => {
        const offsets = context.offsets()
        await transaction.send(messages.map((message) => ({ topic: output, value: message.text() })))
        if (written === 0 && reader.statistics.rebalances === 1) await cluster.exclude(group, offsets.member)
        await transaction.sendOffsets(offsets)
        written += messages.length
      }),
    { messages: 10, waitMs: 5 },
  )
  await Promise.race([running, until(() => written >= 30, 'all outputs')])
  await reader.close()
  await running
  const seen = await cluster.read(output, 30)
  assert.deepEqual(
    seen.map((message) => Number(message.text())),
    Array.from({ length: 30 }, (_, at) => at),
  )
  assert.equal(reader.statistics.rebalances, 2)
})

test('work on a partition that stays is done again when the group moved on before its transaction was committed', async () => {
  const [input, output] = [await cluster.topic(2), await cluster.topic(1)]
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `moved-${input}` })
  await using reader = cluster.consumer([input], { group, commit: 'none' })
  await using other = cluster.consumer([input], { group, commit: 'none' })
  let [tries, idle] = [0, Promise.resolve()]
  const running = reader.each((message, context) =>
    transactions.transaction(async (transaction) => {
      const offsets = context.offsets()
      await transaction.send({ topic: output, value: message.text() })
      if (tries++ === 0) {
        idle = other.each(() => undefined)
        await until(() => context.offsets().member.generation > offsets.member.generation, 'another generation')
      }
      await transaction.sendOffsets(offsets)
    }),
  )
  await until(() => reader.assigned.length === 2, 'both partitions')
  // Partitions that are owned stay in their order: the first one is kept.
  await cluster.fill([{ topic: input, partition: 0, value: 'only' }])
  await Promise.race([running, until(() => reader.statistics.handled === 1, 'the message')])
  await reader.close()
  await running
  await other.close()
  await idle
  assert.equal(tries, 2)
  assert.deepEqual(
    (await cluster.read(output, 1)).map((message) => message.text()),
    ['only'],
  )
})
