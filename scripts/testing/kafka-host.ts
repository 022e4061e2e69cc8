/**
 * A process that holds the Kafka broker of one test run: it sends the broker's address to its parent and stops the broker
 * when the parent asks or is gone, so that even a killed run leaves nothing behind.
 */
import { startKafka } from '../services/kafka.ts'

const parentGone = new Promise<void>((resolve) => process.once('disconnect', resolve))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
await using kafka = await startKafka({ sasl: true, tls: true })
process.send?.(kafka.bootstrap)
await parentGone
