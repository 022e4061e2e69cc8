/** Sources that no longer hold what a checkpoint goes on with, and partitions that appear later. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { CommandLine } from './command-line.ts'
import { Broker } from './faults-kit/broker.ts'
import { halted, isConfirmed, JobHome, type Halted } from './faults-kit/job-home.ts'

let broker: Broker
before(async () => void (broker = await Broker.open()))
after(() => broker[Symbol.asyncDispose]())

const rows = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `{"id":${from + index}}`)

/** A job that read ten rows of each partition, was stopped, and starts again after `change`. */
async function restartedAfter(
  partitions: number,
  change: (topic: string) => Promise<void>,
  judge: (answer: Halted, topic: string) => void,
): Promise<void> {
  await using home = await JobHome.create()
  const topic = await broker.createTopic(partitions)
  for (let partition = 0; partition < partitions; partition++) await broker.send(topic, partition, rows(0, 10))
  writeTopicJob(home, topic)
  await using first = home.run()
  await first.event(isConfirmed)
  first.signal('SIGTERM')
  assert.equal((await first.ended()).code, 0, first.err)
  await change(topic)
  await using second = home.run()
  const answer = await halted(second)
  assert.equal(answer.code, 69, second.err)
  assert.equal(home.report()?.exitCode, 69)
  judge(answer, topic)
}

function writeTopicJob(home: JobHome, topic: string): void {
  home.write({
    sources:
      `in: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], format: json, ` +
      'discoveryInterval: 1s, schema: {id: bigint}}',
    sinks: 'out: {from: in, connector: files, path: ./out, format: ndjson}',
  })
}

function writtenBy(job: CommandLine): number {
  return job.events().reduce((sum, event) => sum + (event.event === 'published' ? Number(event['written']) : 0), 0)
}

function idsIn(home: JobHome): number[] {
  const root = path.join(home.directory, 'out')
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^[^._].*\.ndjson$/.test(name))
    .flatMap((name) => readFileSync(path.join(root, name), 'utf8').trimEnd().split('\n'))
    .map((line) => Number((JSON.parse(line) as { id: number | string }).id))
    .sort((a, b) => a - b)
}

suite('positions', { concurrency: 3 }, () => {
  test('records that were deleted before they were read: 69 with the range', async () => {
    await restartedAfter(
      1,
      async (topic) => {
        await broker.send(topic, 0, rows(10, 10))
        await broker.admin.deleteRecords({ topic, partition: 0 }, 15n)
      },
      ({ event, err }, topic) => {
        assert.equal(event['code'], 'POSITION_LOST')
        assert.deepEqual(event.detail, { topic, partition: 0, offset: '10', first: '15', end: '20' })
        assert.match(err, /partition 0.*offset 10.*15 to 20/)
      },
    )
  })

  test('a topic that was created again: 69, though its offsets would fit', async () => {
    await restartedAfter(
      1,
      async (topic) => {
        await broker.admin.deleteTopic(topic)
        await broker.admin.createTopic(topic, 1)
        await broker.send(topic, 0, rows(0, 50))
      },
      ({ event }, topic) => {
        assert.equal(event['code'], 'POSITION_LOST')
        assert.match(String(event['message']), new RegExp(`${topic} was deleted and created again`))
      },
    )
  })

  test('a file that is shorter than what was read, and one that was replaced: 69', async () => {
    for (const content of ['{"id":0}\n', `${rows(100, 10).join('\n')}\n`]) {
      await using home = await JobHome.create()
      home.put('in/rows.ndjson', `${rows(0, 10).join('\n')}\n`)
      home.write({
        accept: 'append-only-files',
        sources: 'in: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint}}',
        sinks: 'out: {from: in, connector: blackhole}',
      })
      await using first = home.run()
      await first.event(isConfirmed)
      first.signal('SIGTERM')
      assert.equal((await first.ended()).code, 0)
      writeFileSync(path.join(home.directory, 'in', 'rows.ndjson'), content)
      await using second = home.run()
      const { code, event } = await halted(second)
      assert.equal(code, 69, second.err)
      assert.match(String(event['message']), /rows\.ndjson/)
    }
  })

  test('partitions that appear under a running job are read from their beginning', async () => {
    await using home = await JobHome.create()
    const topic = await broker.createTopic(1)
    await broker.send(topic, 0, rows(0, 10))
    writeTopicJob(home, topic)
    await using job = home.run()
    await job.event(isConfirmed)
    await broker.admin.createPartitions(topic, 3)
    await broker.send(topic, 1, rows(10, 10))
    await broker.send(topic, 2, rows(20, 10))
    await job.event(() => writtenBy(job) === 30)
    job.signal('SIGTERM')
    assert.equal((await job.ended()).code, 0, job.err)
    assert.deepEqual(
      idsIn(home),
      Array.from({ length: 30 }, (_, id) => id),
    )
  })
})
