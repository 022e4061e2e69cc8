/** Reading, processing and writing while the broker is killed and comes back: every message has one copy. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startKafka } from '../../scripts/services/kafka.ts'
import { Kafka } from './index.ts'
import { TestCluster } from './testing/test-cluster.ts'

const MESSAGES = 600
const KILLS = 3

test('a service goes on where it was when its broker was killed, and doubles and loses nothing', async (t) => {
  await using broker = await startKafka()
  await using cluster = new TestCluster(broker.bootstrap)
  const [input, output] = [await cluster.topic(3), await cluster.topic(2)]
  await using kafka = new Kafka({ brokers: [broker.bootstrap], retryTimeoutMs: 90_000 })
  const group = randomUUID()
  const quick = { heartbeatMs: 100, sessionTimeoutMs: 6000, rebalanceTimeoutMs: 10_000 }
  let [written, isOver, lives] = [0, false, 0]
  const serve = async (): Promise<void> => {
    while (!isOver) {
      lives++
      const transactions = kafka.transactionalProducer({ transactionalId: `restart-${input}` })
      await transactions.init()
      const consumer = kafka.consumer({ group, topics: [input], commit: 'none', ...quick })
      const running = consumer.batches(
        (messages, context) =>
          transactions.transaction(async (transaction) => {
            await transaction.send(messages.map((message) => ({ topic: output, value: message.text() })))
            await transaction.sendOffsets(context.offsets())
            written += messages.length
          }),
        { messages: 10, waitMs: 5 },
      )
      // Whoever does not know whether its transaction was committed ends, and begins again from what is stored.
      const ended = running.then(
        () => true,
        () => true,
      )
      while (!isOver && !(await Promise.race([ended, pause(100).then(() => false)])));
      await consumer.close()
      await ended
    }
  }
  const serving = serve()
  await using producer = kafka.producer()
  for (let kill = 0; kill <= KILLS; kill++) {
    const from = (kill * MESSAGES) / (KILLS + 1)
    const values = Array.from({ length: MESSAGES / (KILLS + 1) }, (_, at) => String(from + at))
    const sending = producer.sendAll(values.map((value) => ({ topic: input, value })))
    while (written <= from / 2) await pause(20)
    if (kill < KILLS) {
      await broker.kill()
      await broker.restart()
    }
    await sending
  }
  const seen = await cluster.read(output, MESSAGES)
  isOver = true
  await serving
  assert.deepEqual(
    seen.map((message) => Number(message.text())).toSorted((one, other) => one - other),
    Array.from({ length: MESSAGES }, (_, at) => at),
  )
  t.diagnostic(`${KILLS} kills of the broker, ${lives} lives of the service`)
})
