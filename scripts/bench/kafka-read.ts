/**
 * How fast one thread reads a topic with our client: `node kafka-read.ts <bootstrap> <topic> <rows>`. Prints one JSON
 * object per way of reading. Each is done once before it is measured: a reader that lives for days is compiled.
 */
import {
  BatchCursor,
  FetchSession,
  KafkaClient,
  LINE_FEED,
  RecordTarget,
  ValueTarget,
  type FetchedPartition,
} from '../../src/clients/kafka/index.ts'

const [bootstrap = '', topic = '', rowsText = ''] = process.argv.slice(2)
const ROWS = Number(rowsText)

type Consume = (partition: FetchedPartition) => number

async function read(client: KafkaClient, consume: Consume): Promise<void> {
  await using session = new FetchSession(client)
  const [info] = await client.topics([topic])
  if (info === undefined) throw new Error(`no topic ${topic}`)
  session.assign(info.partitions.map(({ partition }) => ({ topic, topicId: info.topicId, partition, offset: 0n })))
  for (let rows = 0; rows < ROWS;) {
    const response = await session.poll()
    for (const partition of response?.partitions ?? []) rows += consume(partition)
    response?.release()
  }
}

async function measure(what: string, client: KafkaClient, consume: Consume): Promise<void> {
  await read(client, consume)
  const cpuBefore = process.cpuUsage()
  const wallBefore = performance.now()
  await read(client, consume)
  const wallSeconds = (performance.now() - wallBefore) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const cpuSeconds = (cpu.user + cpu.system) / 1e6
  const peakRssBytes = process.resourceUsage().maxRSS * 1024
  console.log(JSON.stringify({ what, wallSeconds, cpuSeconds, peakRssBytes }))
}

/** Gathers everything that a partition delivered; full targets are used again at once. */
function gatherAll<Target extends ValueTarget>(
  cursor: BatchCursor,
  target: Target,
  gather: (target: Target) => number,
): Consume {
  return (partition) => {
    let rows = 0
    cursor.load(partition)
    while (!cursor.isDone) {
      rows += gather(target)
      if (!cursor.isDone) target.reset()
    }
    return rows
  }
}

await using client = new KafkaClient({ brokers: [bootstrap] })
const cursor = new BatchCursor()
const options = { buffer: Buffer.allocUnsafeSlow(4 << 20), rowsMax: 32_768, separator: LINE_FEED, isJson: true }
const values = new ValueTarget(options)
const records = new RecordTarget({ ...options, keyBytesMax: 1 << 20, headerBytesMax: 1 << 20 })
await measure('fetch only', client, (partition) => Number(partition.next - partition.from))
await measure(
  'values in lines',
  client,
  gatherAll(cursor, values, (target) => cursor.gatherValues(target)),
)
await measure(
  'values, keys, headers',
  client,
  gatherAll(cursor, records, (target) => cursor.gatherRecords(target)),
)
