/** `millrace verify --scratch`: played on servers of the user's, in an empty table and an empty topic that he names. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { answerOf } from '../../src/cli/testing/answer.ts'
import { PartitionProducer } from '../../src/clients/kafka/index.ts'
import { EmulatorControl } from '../../src/testkit/emulators/control-client.ts'
import { KafkaTarget } from '../../src/testkit/kafka-target.ts'
import type { Certificate } from '../../src/testkit/verify/certificate.ts'
import { CommandLine, millrace } from './command-line.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'word', type: 'STRING' },
]

/** The emulator of another process stands for a server that knows nothing of us. */
async function startWarehouse(directory: string): Promise<CommandLine & { readonly address: Address }> {
  const tables = ['orders', 'orders_scratch'].map((table) => ({ database: 'shop', table, columns: COLUMNS }))
  writeFileSync(path.join(directory, 'tables.json'), JSON.stringify(tables))
  const command = new CommandLine(directory, 'emulate', 'starrocks', '--table-file', 'tables.json', '--json')
  const address = (await command.event(({ queryPort }) => queryPort !== undefined)) as unknown as Address
  return Object.assign(command, { address })
}

interface Address {
  readonly urls: readonly string[]
  readonly backends: readonly string[]
  readonly controlUrl: string
  readonly queryPort: number
}

async function recordsIn({ client, topic, partitions }: KafkaTarget): Promise<bigint> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const [first, last] = [await client.listOffsets(all, 'earliest'), await client.listOffsets(all, 'latest')]
  return last.reduce((sum, end, at) => sum + end - (first[at] ?? 0n), 0n)
}

test('plays in an empty table and an empty topic of the user, and leaves nothing else behind', async () => {
  await using home = await mkdtempDisposable(path.join(tmpdir(), 'millrace-verify-test-'))
  await using broker = await useKafka()
  await using source = await KafkaTarget.create(broker.bootstrap, 2)
  await using own = await KafkaTarget.create(broker.bootstrap, 2)
  await using scratch = await KafkaTarget.create(broker.bootstrap, 2)
  await using warehouse = await startWarehouse(home.path)
  const { urls, backends, controlUrl, queryPort } = warehouse.address
  const file = path.join(home.path, 'orders.yaml')
  writeFileSync(
    file,
    `name: orders
sources: {rows: {connector: kafka, brokers: ['${broker.bootstrap}'], topics: [${source.topic}], schema: {id: bigint, word: varchar}}}
sinks:
  rocks: {from: rows, connector: starrocks, url: ${JSON.stringify(urls)}, backends: ${JSON.stringify(backends)}, database: shop, table: orders}
  topic: {from: rows, connector: kafka, brokers: ['${broker.bootstrap}'], topic: ${own.topic}, key: id}
`,
  )
  const refusal = async (...more: string[]): Promise<unknown> =>
    (await answerOf<{ readonly findings: readonly object[] }>('verify', file, ...more)).findings[0]
  const query = ['--query-url', `mysql://127.0.0.1:${queryPort}`]

  const itself = await refusal('--scratch', 'rocks=orders', ...query)
  assert.match(JSON.stringify(itself), /"code":"CONFIG".*it is where the pipeline itself writes/)

  const targets = ['--scratch', 'rocks=shop.orders_scratch', '--scratch', `topic=${scratch.topic}`]
  for (const partition of [0, 1]) {
    const values = Array.from({ length: 15 }, (_, n) => ({
      value: Buffer.from(`{"id":${n * 2 + partition},"word":"w${n}"}`),
    }))
    await new PartitionProducer(source.client).send({ topic: source.topic, partition }, values)
  }
  const play = ['--rows-from', 'source', '--limit', '20', '--only', 'confirm:before', '--json', ...targets, ...query]
  const played = await millrace(home.path, 'verify', file, ...play)
  assert.equal(played.code, 0, played.out + played.err)
  const { result } = JSON.parse(played.out) as { result: Certificate }
  assert.deepEqual([result.broken, result.sinks.map(({ rows }) => rows)], [0, [20, 20]])
  assert.ok(result.held >= 2, 'undisturbed, and a kill')
  assert.match(result.replaced.join('\n'), /source rows \(kafka\): 20 of its own rows/)
  assert.match(result.replaced.join('\n'), /its own server, in the table shop.orders_scratch/)
  assert.match(result.notPlayed.join('\n'), /lost replies to rocks .*\nlost replies to topic /)

  const control = new EmulatorControl(controlUrl)
  assert.deepEqual([await control.count('shop', 'orders'), await control.count('shop', 'orders_scratch')], [0, 0])
  const ofTheUser = await control.transactions()
  assert.ok(ofTheUser.length > 0 && ofTheUser.every(({ table }) => table === 'orders_scratch'))
  assert.deepEqual(await own.read(), [])
  assert.equal(await recordsIn(scratch), 0n)
  const topics = await scratch.client.topics(null)
  assert.deepEqual(
    topics.filter(({ name }) => name.startsWith(`${scratch.topic}-`)),
    [],
  )

  await new PartitionProducer(scratch.client).send({ topic: scratch.topic, partition: 1 }, [
    { value: Buffer.from('x') },
  ])
  assert.match(JSON.stringify(await refusal(...targets, ...query)), /"code":"CONFIG".*is refused: it is not empty/)
  assert.equal(await recordsIn(scratch), 1n)
})
