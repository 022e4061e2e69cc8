/**
 * How fast one thread reads a topic: `node scripts/bench/kafka-read.ts [rows=3000000] [codec=none,zstd] [partitions=8] [rows per batch=5000]`.
 * Starts a broker, or uses the one of MILLRACE_KAFKA. Prints rows per second and per CPU-second of this process.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  BatchCursor,
  FetchSession,
  KafkaAdmin,
  KafkaClient,
  LINE_FEED,
  RecordTarget,
  ValueTarget,
  type Codec,
  type FetchedPartition,
} from '../../src/clients/kafka/index.ts'
import { startKafka } from '../services/kafka.ts'
import { ROW_BYTES } from './rows.ts'

const [rowsText = '3000000', codecsText = 'none,zstd', partitionsText = '8', rowsPerBatch = '5000'] =
  process.argv.slice(2)
const ROWS = Number(rowsText)
const PARTITIONS = Number(partitionsText)

function load(bootstrap: string, topic: string, codec: Codec): void {
  const program = fileURLToPath(new URL('kafka-load.ts', import.meta.url))
  const args = [program, bootstrap, topic, String(ROWS), codec, String(PARTITIONS), rowsPerBatch]
  const done = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (done.status !== 0) throw new Error(`loading ${topic} failed`)
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

/** Gathers everything that a partition delivered; full targets are used again at once. */
function gatherAll<Target extends ValueTarget>(
  cursor: BatchCursor,
  target: Target,
  gather: (target: Target) => number,
): (partition: FetchedPartition) => number {
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

async function run(client: KafkaClient, bootstrap: string): Promise<void> {
  for (const codec of codecsText.split(',') as Codec[]) {
    const topic = `bench-${codec}-${process.pid}`
    load(bootstrap, topic, codec)
    const cursor = new BatchCursor()
    const options = { buffer: Buffer.allocUnsafeSlow(4 << 20), rowsMax: 32_768, separator: LINE_FEED, isJson: true }
    const values = new ValueTarget(options)
    const records = new RecordTarget({ ...options, keyBytesMax: 1 << 20, headerBytesMax: 1 << 20 })
    const offsets = (partition: FetchedPartition): number => Number(partition.next - partition.from)
    const lines = gatherAll(cursor, values, (target) => cursor.gatherValues(target))
    const columns = gatherAll(cursor, records, (target) => cursor.gatherRecords(target))
    await measure(`${codec}: fetch only`, () => read(client, topic, offsets))
    await measure(`${codec}: values into 4 MiB`, () => read(client, topic, lines))
    await measure(`${codec}: values and columns`, () => read(client, topic, columns))
    await new KafkaAdmin(client).deleteTopic(topic)
  }
}

await using broker =
  process.env['MILLRACE_KAFKA'] === undefined ? await startKafka({ heap: '1g', fast: true }) : undefined
const bootstrap = process.env['MILLRACE_KAFKA'] ?? broker?.bootstrap ?? ''
await using client = new KafkaClient({ brokers: [bootstrap] })
await run(client, bootstrap)
