/**
 * How fast one thread reads a topic: `node scripts/bench/kafka-read.ts [rows=3000000] [codec=none,zstd] [partitions=8]`.
 * Starts a broker, or uses the one of MILLRACE_KAFKA. Prints rows per second and per CPU-second of this process.
 */
import {
  BatchCursor,
  encodeValues,
  FetchSession,
  KafkaAdmin,
  KafkaClient,
  LINE_FEED,
  loadCodec,
  PartitionProducer,
  ValueTarget,
  type Codec,
  type FetchedPartition,
} from '../../src/clients/kafka/index.ts'
import { startKafka } from '../services/kafka.ts'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const [rowsText = '3000000', codecsText = 'none,zstd', partitionsText = '8'] = process.argv.slice(2)
const ROWS = Number(rowsText)
const PARTITIONS = Number(partitionsText)
const ROWS_PER_BATCH = 5000

async function load(client: KafkaClient, topic: string, codec: Codec): Promise<void> {
  const producer = new PartitionProducer(client)
  await loadCodec(codec)
  const rows = new RowGenerator()
  const bytes = Buffer.allocUnsafe(ROWS_PER_BATCH * (ROW_BYTES + 1))
  const open = new Set<Promise<unknown>>()
  for (let sent = 0, batch = 0; sent < ROWS; batch++) {
    const count = Math.min(ROWS_PER_BATCH, ROWS - sent)
    const used = rows.fill(bytes, count)
    const ends = Array.from({ length: count }, (_, row) => row * (ROW_BYTES + 1) + ROW_BYTES)
    const values = { bytes: bytes.subarray(0, used), ends, gap: 1, timestampMs: 1_763_596_800_000n }
    const sending = producer.sendBatch({ topic, partition: batch % PARTITIONS }, encodeValues(values, { codec }))
    open.add(sending)
    void sending.finally(() => open.delete(sending))
    if (open.size >= 4) await Promise.race(open)
    sent += count
  }
  await Promise.all(open)
}

async function read(
  client: KafkaClient,
  topic: string,
  consume: (partition: FetchedPartition) => number,
): Promise<void> {
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

async function measure(what: string, step: () => Promise<void>): Promise<void> {
  await step() // once to warm up: a reader that lives for days is compiled
  const cpuBefore = process.cpuUsage()
  const wallBefore = performance.now()
  await step()
  const seconds = (performance.now() - wallBefore) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const cpuSeconds = (cpu.user + cpu.system) / 1e6
  const million = (rows: number): string => `${(rows / 1e6).toFixed(2)} M`
  const megabytes = ((ROWS * ROW_BYTES) / seconds / 1e6).toFixed(0)
  const rss = (process.resourceUsage().maxRSS / 1024).toFixed(0)
  process.stdout.write(
    `${what.padEnd(28)} ${million(ROWS / seconds)} rows/s  ${megabytes} MB/s  ${million(ROWS / cpuSeconds)} rows per CPU-second` +
      `  (user ${(cpu.user / 1e6).toFixed(2)} s, system ${(cpu.system / 1e6).toFixed(2)} s)  peak RSS ${rss} MB\n`,
  )
}

async function run(client: KafkaClient): Promise<void> {
  for (const codec of codecsText.split(',') as Codec[]) {
    const topic = `bench-${codec}-${process.pid}`
    const admin = new KafkaAdmin(client)
    await admin.createTopic(topic, PARTITIONS)
    await load(client, topic, codec)
    const last = (partition: FetchedPartition): number => Number(partition.next - partition.from)
    await measure(`${codec}: fetch only`, () => read(client, topic, last))
    const targets = { buffer: Buffer.allocUnsafeSlow(4 << 20), rowsMax: 32_768, separator: LINE_FEED, isJson: true }
    const target = new ValueTarget(targets)
    const cursor = new BatchCursor()
    await measure(`${codec}: gather into 4 MiB`, () =>
      read(client, topic, (partition) => {
        let rows = 0
        cursor.load(partition)
        while (!cursor.isDone) {
          rows += cursor.gatherValues(target)
          if (!cursor.isDone) target.reset()
        }
        return rows
      }),
    )
    await admin.deleteTopic(topic)
  }
}

const shared = process.env['MILLRACE_KAFKA']
await using broker = shared === undefined ? await startKafka({ heap: '1g', fast: true }) : undefined
await using client = new KafkaClient({ brokers: [shared ?? broker?.bootstrap ?? ''] })
await run(client)
