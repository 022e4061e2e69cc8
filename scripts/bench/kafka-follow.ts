/**
 * Appends rows to a topic until it is killed: `node kafka-follow.ts <bootstrap> <topic> <rows per second> <partitions>`.
 * The batches are encoded once and sent again and again, so that little CPU goes to the producer. Rate 0: at full speed.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { encodeValues, KafkaAdmin, KafkaClient, loadCodec, PartitionProducer } from '../../src/clients/kafka/index.ts'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const PAUSE_MS = 20
const ROWS_PER_BATCH_MAX = 5000

const [bootstrap = '', topic = '', rateText = '', partitionsText = ''] = process.argv.slice(2)
const rate = Number(rateText)
const partitions = Number(partitionsText)
const count = rate === 0 ? ROWS_PER_BATCH_MAX : Math.ceil(Math.min(ROWS_PER_BATCH_MAX, (rate * PAUSE_MS) / 1000))

function makeBatch(firstId: number): Buffer {
  const bytes = Buffer.allocUnsafe(count * (ROW_BYTES + 1))
  new RowGenerator(firstId).fill(bytes, count)
  const ends = Array.from({ length: count }, (_, row) => row * (ROW_BYTES + 1) + ROW_BYTES)
  return encodeValues({ bytes, ends, gap: 1, timestampMs: BigInt(Date.now()) }, { codec: 'zstd' })
}

await using client = new KafkaClient({ brokers: [bootstrap] })
await new KafkaAdmin(client).createTopic(topic, partitions)
await loadCodec('zstd')
const batches = Array.from({ length: partitions }, (_, index) => makeBatch(index * count))
const producer = new PartitionProducer(client)
const started = performance.now()
console.log('writing')
for (let sent = 0; ; sent += count * partitions) {
  if (rate > 0) {
    const due = started + (sent / rate) * 1000 - performance.now()
    if (due > 0) await pause(due)
  }
  await Promise.all(batches.map((batch, partition) => producer.sendBatch({ topic, partition }, batch)))
}
