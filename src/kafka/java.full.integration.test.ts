/** Kafka's own Java clients read what the toolkit writes, and write what it reads. */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { useKafka } from '../../scripts/services/kafka.ts'
import { resolveJars } from '../../scripts/services/java-jars.ts'
import { partitionOfKey } from '../clients/kafka/index.ts'
import { TestCluster } from './testing/test-cluster.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const PARTITIONS = 5
const JAVA = 'java'
const KEYS = ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'ключ', 'customer-4711', 'x'.repeat(300)]

const cluster = TestCluster.ofThisFile(await useKafka())
const { bootstrap } = cluster
const jars = resolveJars(
  path.join(import.meta.dirname, '..', '..', 'scripts', 'services', 'kafka-tools-pom.xml'),
  'kafka-tools',
)

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

test('a Java service that copies in transactions, and aborts some, copies once what our transactions committed', async () => {
  const [input, output] = [await cluster.topic(1), await cluster.topic(1)]
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `ours-${input}`, compression: 'zstd' })
  for (let batch = 0; batch < 8; batch++) {
    const values = Array.from({ length: 50 }, (_, at) => String(batch * 50 + at))
    const sending = transactions.transaction(async (transaction) => {
      await transaction.send(values.map((value) => ({ topic: input, value: batch % 3 === 1 ? 'never' : value })))
      if (batch % 3 === 1) throw new Error('no')
    })
    if (batch % 3 === 1) await assert.rejects(sending)
    else await sending
  }
  const expected = Array.from({ length: 400 }, (_, at) => at).filter((at) => Math.floor(at / 50) % 3 !== 1)
  const done = spawnSync(
    JAVA,
    [
      ...['-cp', `${jars}/*`, 'org.apache.kafka.tools.TransactionalMessageCopier', '--broker-list', bootstrap],
      ...['--input-topic', input, '--input-partition', '0', '--output-topic', output],
      ...['--transactional-id', `java-${input}`, '--consumer-group', `copier-${input}`],
      // Without a number it waits for markers and for what was aborted as if they were messages.
      ...['--max-messages', String(expected.length)],
      ...['--transaction-size', '20', '--enable-random-aborts', '--use-group-metadata'],
    ],
    { encoding: 'utf8', timeout: 120_000 },
  )
  assert.equal(done.status, 0, done.stderr)
  const seen = await cluster.read(output, expected.length)
  assert.deepEqual(
    seen.map((message) => Number(message.text())),
    expected,
  )
  const [position] = await cluster.kafka.admin().groupOffsets(`copier-${input}`)
  assert.ok(position !== undefined && position.offset >= 350n)
})

/** A Java member of a group, and the partitions that it has. */
function startJavaMember(
  group: string,
  topic: string,
): { readonly owned: Set<number>; readonly process: ChildProcess } {
  const strategy = 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor'
  const process = spawn(
    JAVA,
    [
      ...['-cp', `${jars}/*`, 'org.apache.kafka.tools.VerifiableConsumer', '--bootstrap-server', bootstrap],
      ...['--topic', topic, '--group-id', group, '--assignment-strategy', strategy, '--enable-autocommit'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const owned = new Set<number>()
  let rest = ''
  process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { name, partitions = [] } = JSON.parse(line) as { name: string; partitions?: { partition: number }[] }
      if (name === 'partitions_assigned') for (const { partition } of partitions) owned.add(partition)
      if (name === 'partitions_revoked') for (const { partition } of partitions) owned.delete(partition)
    }
  })
  return { owned, process }
}

test('a group of members in Java and ours shares its partitions, whoever was there first', async () => {
  const quick = { heartbeatMs: 100, sessionTimeoutMs: 6000, commitIntervalMs: 200 }
  for (const isJavaFirst of [false, true]) {
    const topic = await cluster.topic(4)
    const group = `mixed-${topic}`
    const until = async (isTrue: () => boolean): Promise<void> => {
      for (const end = Date.now() + 90_000; !isTrue(); await pause(50)) assert.ok(Date.now() < end, 'it did not settle')
    }
    await using ours = cluster.kafka.consumer({ group, topics: [topic], ...quick })
    const start = (): Promise<void> => ours.each(() => undefined)
    const shares = (): number[] => [ours.assigned.length, java.owned.size]
    let running = isJavaFirst ? undefined : start()
    if (!isJavaFirst) await until(() => ours.assigned.length === 4)
    const java = startJavaMember(group, topic)
    try {
      if (isJavaFirst) await until(() => java.owned.size === 4)
      running ??= start()
      await until(() => shares().join() === '2,2')
      const both = [...ours.assigned.map(({ partition }) => partition), ...java.owned]
      assert.deepEqual(new Set(both), new Set([0, 1, 2, 3]))
      await ours.close()
      await running
      await until(() => java.owned.size === 4)
    } finally {
      java.process.kill('SIGKILL')
    }
  }
})
