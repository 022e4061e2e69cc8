/** Kafka's own Java clients read what the toolkit writes, and write what it reads. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startKafka, type KafkaService } from '../../scripts/services/kafka.ts'
import { resolveJars } from '../../scripts/services/java-jars.ts'
import { partitionOfKey } from '../clients/kafka/index.ts'
import { TestCluster } from './testing/shared-broker.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const PARTITIONS = 5
const JAVA = 'java'
const KEYS = ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'ключ', 'customer-4711', 'x'.repeat(300)]

const shared = process.env['MILLRACE_KAFKA']
let broker: KafkaService | undefined
let cluster: TestCluster
let bootstrap = shared ?? ''
let jars = ''

before(async () => {
  if (shared === undefined) broker = await startKafka()
  bootstrap = shared ?? broker?.bootstrap ?? ''
  cluster = new TestCluster(bootstrap)
  const pom = path.join(import.meta.dirname, '..', '..', 'scripts', 'services', 'kafka-tools-pom.xml')
  jars = resolveJars(pom, 'kafka-tools')
})

after(async () => {
  await cluster.kafka.close()
  await broker?.stop()
})

function java(main: string, args: readonly string[], input = ''): string {
  const quiet = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-Dfile.encoding=UTF-8', '-Dstdout.encoding=UTF-8']
  const done = spawnSync(JAVA, [...quiet, '-cp', `${jars}/*`, main, '--bootstrap-server', bootstrap, ...args], {
    encoding: 'utf8',
    input,
    timeout: 120_000,
  })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
}

/** What a Java consumer of committed records sees: `Partition:0 Offset:0 h:v key value`, with tabs. */
function readByJava(topic: string, count: number): string[][] {
  const shown = ['partition', 'offset', 'headers', 'key'].flatMap((part) => ['--property', `print.${part}=true`])
  const limits = ['--from-beginning', '--isolation-level', 'read_committed', '--max-messages', String(count)]
  const out = java('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--topic', topic, ...limits, ...shown])
  return out
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
}

test('a Java consumer sees what the producer wrote, in every compression, on the partitions that it says', async () => {
  for (const compression of CODECS) {
    const topic = await cluster.topic(PARTITIONS)
    await using producer = cluster.kafka.producer({ compression })
    const stored = await producer.sendAll(
      KEYS.map((key) => ({ topic, key, value: `value of ${key}`, headers: { h: `header ü ${key.length}` } })),
    )
    const seen = readByJava(topic, KEYS.length)
      .map((line) => line.join('\t'))
      .sort()
    const expected = stored.map(({ partition, offset }, at) => {
      const key = KEYS[at] ?? ''
      return [`Partition:${partition}`, `Offset:${offset}`, `h:header ü ${key.length}`, key, `value of ${key}`].join(
        '\t',
      )
    })
    assert.deepEqual(seen, expected.sort(), compression)
  }
})

test('a Java consumer of committed records sees what a transaction committed, and nothing of one that was aborted', async () => {
  const topic = await cluster.topic(1)
  const producer = cluster.kafka.transactionalProducer({ transactionalId: `java-${topic}`, compression: 'lz4' })
  const send = (value: string, fails = false): Promise<unknown> =>
    producer.transaction(async (transaction) => {
      await transaction.send({ topic, key: 'k', value })
      if (fails) throw new Error('no')
    })
  await send('one')
  await assert.rejects(send('never', true))
  await send('two')
  assert.deepEqual(
    readByJava(topic, 2).map((line) => line.at(-1)),
    ['one', 'two'],
  )
})

test('what a Java producer wrote is read as it was written, and its keys lie where ours would', async () => {
  for (const codec of CODECS) {
    const topic = await cluster.topic(PARTITIONS)
    const keys = KEYS.filter((key) => key !== '')
    const input = keys.map((key) => `trace:t-${key.length},n:1~${key}|{"key":"${key}"}`).join('\n')
    const parsing = ['parse.key=true', 'key.separator=|', 'parse.headers=true', 'headers.delimiter=~']
    const properties = parsing.flatMap((one) => ['--property', one])
    java(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--topic', topic, '--compression-codec', codec, ...properties],
      `${input}\n`,
    )
    const seen = await cluster.read(topic, keys.length)
    const byKey = new Map(seen.map((message) => [message.key?.toString() ?? '', message]))
    for (const key of keys) {
      const message = byKey.get(key)
      assert.deepEqual(
        [message?.json(), message?.partition, message?.headers.get('trace')?.toString()],
        [{ key }, partitionOfKey(PARTITIONS, Buffer.from(key)), `t-${key.length}`],
        `${codec}, ${key}`,
      )
    }
  }
})
