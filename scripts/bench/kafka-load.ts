/**
 * Fills a topic with generated rows:
 * `node kafka-load.ts <bootstrap> <topic> <rows> [codec] [partitions] [rows per batch]`.
 * Creates the topic. A program of its own so that its memory is not counted for what is measured.
 */
import {
  encodeValues,
  KafkaAdmin,
  KafkaClient,
  loadCodec,
  PartitionProducer,
  type Codec,
} from '../../src/clients/kafka/index.ts'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const BATCHES_IN_FLIGHT = 4

const [bootstrap = '', topic = '', rowsText = '', codecText = 'none', partitionsText = '8', rowsPerBatchText = '5000'] =
  process.argv.slice(2)
const rows = Number(rowsText)
const partitions = Number(partitionsText)
const codec = codecText as Codec
const rowsPerBatch = Number(rowsPerBatchText)

await using client = new KafkaClient({ brokers: [bootstrap] })
await new KafkaAdmin(client).createTopic(topic, partitions)
await loadCodec(codec)
const producer = new PartitionProducer(client)
const generator = new RowGenerator()
const bytes = Buffer.allocUnsafe(rowsPerBatch * (ROW_BYTES + 1))
const open = new Set<Promise<unknown>>()
for (let sent = 0, batch = 0; sent < rows; batch++) {
  const count = Math.min(rowsPerBatch, rows - sent)
  const used = generator.fill(bytes, count)
  const ends = Array.from({ length: count }, (_, row) => row * (ROW_BYTES + 1) + ROW_BYTES)
  const values = { bytes: bytes.subarray(0, used), ends, gap: 1, timestampMs: BigInt(Date.now()) }
  const sending = producer.sendBatch({ topic, partition: batch % partitions }, encodeValues(values, { codec }))
  open.add(sending)
  void sending.finally(() => open.delete(sending))
  if (open.size >= BATCHES_IN_FLIGHT) await Promise.race(open)
  sent += count
}
await Promise.all(open)
