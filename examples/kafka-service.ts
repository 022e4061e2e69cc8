/**
 * A service of its own: reads orders, adds what the customer costs, and writes the result, exactly once. What cannot be
 * understood goes to a topic of dead letters in the same transaction.
 *
 *     MILLRACE_KAFKA_BROKERS=localhost:9092 node kafka-service.ts
 *
 * The topics `orders`, `invoices` and `orders.dlq` have to exist.
 */
import { closeOnSignals, encodeJson, Kafka, type ConsumedMessage, type Message } from 'millrace/kafka'

interface Order {
  readonly id: number | bigint
  readonly customer: string
  readonly items: readonly { readonly price: number; readonly count: number }[]
}

/** An invoice, or the order with the reason why there is none. */
export function answerTo(message: ConsumedMessage): Message {
  try {
    const order = message.json() as Order
    const total = order.items.reduce((sum, { price, count }) => sum + price * count, 0)
    if (!Number.isFinite(total)) throw new TypeError('an item has no price')
    return { topic: 'invoices', key: order.customer, value: encodeJson({ order: order.id, total }) }
  } catch (error) {
    const headers = { reason: error instanceof Error ? error.message : String(error) }
    return { topic: 'orders.dlq', key: message.key, value: message.value, headers }
  }
}

/** Runs until it is told to end. */
export async function run(kafka: Kafka, instance: string): Promise<void> {
  const transactions = kafka.transactionalProducer({ transactionalId: `invoices-${instance}` })
  await transactions.init()
  await using consumer = kafka.consumer({ group: 'invoices', topics: ['orders'], commit: 'none' })
  closeOnSignals(consumer, { deadlineMs: 10_000 })
  await consumer.batches(
    (orders, context) =>
      transactions.transaction(async (transaction) => {
        await transaction.send(orders.map(answerTo))
        await transaction.sendOffsets(context.offsets())
      }),
    { messages: 500, waitMs: 50 },
  )
}

if (import.meta.main) {
  await using kafka = Kafka.fromEnvironment()
  await run(kafka, process.env['HOSTNAME'] ?? 'one')
}
