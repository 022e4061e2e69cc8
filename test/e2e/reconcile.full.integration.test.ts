/** What is in a bucket is compared as what is on a disk, and so is what a job that has not ended wrote up to a checkpoint. */
import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { openTestBucket } from '../../scripts/services/s3-bucket.ts'
import { answerOf } from '../../src/cli/testing/answer.ts'
import { PartitionProducer } from '../../src/clients/kafka/index.ts'
import { startStarRocksEmulator } from '../../src/testkit/emulators/starrocks/index.ts'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import { CommandLine } from './command-line.ts'

const broker = await useKafka()
const lake = await openTestBucket()
Object.assign(process.env, lake.environment)
after(() => Promise.all([lake[Symbol.asyncDispose](), broker[Symbol.asyncDispose]()]))

interface Answer {
  readonly code: number
  readonly result: {
    readonly verifiedThrough: { readonly checkpoint: number } | null
    readonly sinks: readonly {
      readonly sink: string
      readonly found: { readonly rows: number }
      readonly missing: number
      readonly extra: number
    }[]
  } | null
  readonly findings: readonly { readonly message: string }[]
}

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: '_partition', type: 'INT' },
  { name: '_offset', type: 'BIGINT' },
]

test('rows behind the settled checkpoint are left out of a comparison, in a bucket and in a table', async () => {
  await using topic = await KafkaTarget.create(broker.bootstrap, 1)
  await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-reconcile-'))
  await using server = await startStarRocksEmulator({
    queryPort: 0,
    tables: [{ database: 'shop', table: 'clicks', model: 'duplicate', columns: COLUMNS }],
  })
  const send = (ids: readonly number[]): Promise<unknown> => {
    const values = ids.map((id) => ({ value: Buffer.from(`{"id":${id}}`) }))
    return new PartitionProducer(topic.client).send({ topic: topic.topic, partition: 0 }, values)
  }
  const file = path.join(made.path, 'p.yaml')
  await writeFile(
    file,
    `name: clicks
parallelism: 1
checkpoint: {storage: ./state, interval: 200ms, maxDowntime: 10m}
s3: {endpoint: '${lake.endpoint}'}
sources:
  clicks: {connector: kafka, brokers: ['${broker.bootstrap}'], topics: [${topic.topic}], start: earliest, schema: {id: bigint}}
transforms:
  placed: {from: clicks, sql: 'SELECT id, _partition, _offset FROM clicks'}
sinks:
  lake: {from: placed, connector: hudi, path: 's3://${lake.name}/lake', table: clicks}
  lines: {from: placed, connector: files, path: 's3://${lake.name}/lines', format: json, compression: gzip}
  rocks: {from: placed, connector: starrocks, url: '${server.urls[0]}', queryUrl: 'mysql://127.0.0.1:${server.queryPort}', database: shop, table: clicks}
`,
  )
  await send([0, 1, 2])
  // Killed when the rows of the second checkpoint are visible and nobody has confirmed them.
  await using killed = new CommandLine(
    { directory: made.path, environment: { MILLRACE_FAILPOINTS: 'confirm:before@2=kill' } },
    'run',
    'p.yaml',
  )
  await killed.event(({ event }) => event === 'confirmed')
  await send([3, 4])
  assert.equal((await killed.ended()).signal, 'SIGKILL')
  const visible = server.rowCount('shop', 'clicks')

  const reconcile = (...more: string[]): Promise<Answer> => answerOf<Answer>('reconcile', file, ...more)
  const settled = await reconcile()
  assert.equal(settled.result?.verifiedThrough?.checkpoint, 1, JSON.stringify(settled))
  const rows = settled.result.sinks[0]?.found.rows ?? 0
  assert.ok(rows > 0 && rows < visible, `${rows} of ${visible}`)
  assert.deepEqual(
    settled.result.sinks.map(({ sink, found, missing, extra }) => [sink, found.rows, missing, extra]),
    ['lake', 'lines', 'rocks'].map((sink) => [sink, rows, 0, 0]),
  )

  await using running = new CommandLine(made.path, 'run', 'p.yaml')
  // By then it has committed and confirmed what the killed one left.
  await running.event(({ event }) => event === 'started')
  const objects = (await Array.fromAsync(lake.bucket.list('lines/part-'))).map(({ key }) => key)
  assert.equal(objects.length, 2)
  await lake.bucket.deleteAll(objects.slice(0, 1))
  const lost = await reconcile('--sink', 'lines')
  assert.deepEqual([lost.code, lost.result?.verifiedThrough], [77, null], JSON.stringify(lost))
  const [lines] = lost.result?.sinks ?? []
  assert.deepEqual([lines?.missing, lines?.extra], [visible - (lines?.found.rows ?? 0), 0])
})
