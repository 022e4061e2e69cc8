/**
 * A service that copies a topic in transactions, until it is killed:
 * `node copy-service.ts <bootstrap> <group> <from> <to> <name> [static]`. SIGTERM ends it in order.
 */
import { closeOnSignals, Kafka } from '../../../src/kafka/index.ts'

const [bootstrap = '', group = '', from = '', to = '', name = '', kind] = process.argv.slice(2)
await using kafka = new Kafka({ brokers: [bootstrap] })
const transactions = kafka.transactionalProducer({ transactionalId: `${group}-${name}`, timeoutMs: 8000 })
// What the process before left open is aborted now: the consumer would wait for it.
await transactions.init()
const times = { heartbeatMs: 100, sessionTimeoutMs: 6000 }
// A static member comes back to its partitions at once.
const membership = kind === 'static' ? { instanceId: name } : {}
await using consumer = kafka.consumer({ group, topics: [from], commit: 'none', ...membership, ...times })
closeOnSignals(consumer)
await consumer.batches(
  (messages, context) =>
    transactions.transaction(async (transaction) => {
      await transaction.send(messages.map((message) => ({ topic: to, key: message.key, value: message.value })))
      await transaction.sendOffsets(context.offsets())
    }),
  { messages: 20, waitMs: 5 },
)
