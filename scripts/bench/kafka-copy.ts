/**
 * The least that copying a topic can cost: record batches are fetched and appended as they are, not decoded, not in a
 * transaction. `node kafka-copy.ts <bootstrap> <from> <to> <rows>`; prints one JSON object.
 */
import { FetchSession, KafkaClient, PartitionProducer, type FetchedPartition } from '../../src/clients/kafka/index.ts'

const IN_FLIGHT = 8
const LENGTH_AT = 8
const HEAD_BYTES = 12

const [bootstrap = '', from = '', to = '', rowsText = ''] = process.argv.slice(2)
const rows = Number(rowsText)
await using client = new KafkaClient({ brokers: [bootstrap] })
const producer = new PartitionProducer(client)
const open = new Set<Promise<unknown>>()
const wallBefore = performance.now()
const cpuBefore = process.cpuUsage()
await using session = new FetchSession(client)
const [info] = await client.topics([from])
if (info === undefined) throw new Error(`no topic ${from}`)
session.assign(info.partitions.map(({ partition }) => ({ topic: from, topicId: info.topicId, partition, offset: 0n })))
for (let copied = 0; copied < rows;) {
  const response = await session.poll()
  for (const partition of response?.partitions ?? []) {
    copied += Number(partition.next - partition.from)
    await copy(partition)
  }
  // What is being sent lies in the memory of the answer.
  await Promise.all(open)
  response?.release()
}
const wallSeconds = (performance.now() - wallBefore) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const peakRssBytes = process.resourceUsage().maxRSS * 1024
console.log(JSON.stringify({ rows, wallSeconds, cpuSeconds: (user + system) / 1e6, peakRssBytes }))

/** Kafka takes one batch in a request. */
async function copy({ records, partition }: FetchedPartition): Promise<void> {
  for (let at = 0; at + HEAD_BYTES <= records.length;) {
    const end = at + HEAD_BYTES + records.readInt32BE(at + LENGTH_AT)
    if (end > records.length) return
    // Whoever appends a batch lets it begin at 0; the checksum does not cover this.
    records.writeBigInt64BE(0n, at)
    const sending = producer.sendBatch({ topic: to, partition }, records.subarray(at, end))
    open.add(sending)
    void sending.finally(() => open.delete(sending))
    if (open.size >= IN_FLIGHT) await Promise.race(open)
    at = end
  }
}
