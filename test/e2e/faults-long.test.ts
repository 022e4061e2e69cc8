/** Faults that take their time. MILLRACE_FULL waits for the slow ones too. */
import assert from 'node:assert/strict'
import { readFileSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { startKafka } from '../../scripts/services/kafka.ts'
import { KafkaClient, PartitionProducer } from '../../src/clients/kafka/index.ts'
import type { CommandLine } from './command-line.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { idsOf, openTransactions, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'

/** Rows around the outage. */
const ROWS = isFull ? 5000 : 500

/** Cuts the last batch off a log of Kafka: 8 bytes of offset, 4 of length, then as many bytes as that says. */
function dropNewest(log: string): void {
  const bytes = readFileSync(log)
  let last = 0
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) last = at
  truncateSync(log, last)
}

async function isAhead(job: CommandLine): Promise<void> {
  const { code, event } = await halted(job)
  assert.deepEqual([code, event['code']], [69, 'POSITION_AHEAD'], job.out + job.err)
  assert.deepEqual([event.detail['offset'], event.detail['end']], [String(2 * ROWS), String(ROWS)])
}

suite('long faults', { concurrency: 2 }, () => {
  test(
    'a broker that dies and comes back, and at last without its newest records: 69',
    { timeout: 360_000 },
    async () => {
      await using kafka = await startKafka()
      await using server = await startWarehouse()
      await using home = await JobHome.create()
      await kafka.createTopic('events', 1)
      await using client = new KafkaClient({ brokers: [kafka.bootstrap] })
      const producer = new PartitionProducer(client)
      const send = async (from: number): Promise<void> => {
        const values = Array.from({ length: ROWS }, (_, index) => ({
          value: Buffer.from(`{"id":${from + index},"name":"x"}`),
        }))
        await producer.send({ topic: 'events', partition: 0 }, values)
      }
      home.write({
        sources: `in: {connector: kafka, brokers: ['${kafka.bootstrap}'], topics: [events], format: json}`,
        sinks: `out: {from: in, ${sinkOf('starrocks', server)}}`,
      })
      await send(0)
      await using job = home.run()
      await job.event(isConfirmed)
      await kafka.kill()
      await kafka.restart()
      await send(ROWS)
      await job.event(() => idsOf(server).length === 2 * ROWS)
      job.signal('SIGTERM')
      assert.equal((await job.ended()).code, 0, job.err)
      assert.deepEqual(idsOf(server), upTo(2 * ROWS))
      assert.deepEqual(openTransactions(server), [])

      // The disk loses its newest records while the job reads on.
      await using running = home.run()
      await running.event(({ event }) => event === 'started')
      await kafka.kill()
      dropNewest(path.join(kafka.dataDir, 'logs', 'events-0', '00000000000000000000.log'))
      await kafka.restart()
      await isAhead(running)
      await using later = home.run()
      await isAhead(later)
      assert.deepEqual(idsOf(server), upTo(2 * ROWS))
    },
  )

  test('replies that come after nobody waits for them any more', { timeout: 300_000 }, async () => {
    await using server = await startWarehouse()
    await using followed = await FollowedJob.create('starrocks', server)
    await using job = followed.home.run()
    followed.append(10)
    await job.event(isConfirmed)
    const operations = ['begin', 'load', 'prepare', 'commit'] as const
    for (const operation of operations) {
      // Longer than the checkpoint may take (20 s), where there is time for it.
      server.addFault({ match: { operation, server: 'backend' }, action: 'delay', ms: isFull ? 25_000 : 1500 })
      followed.append(10)
      await followed.untilVisible(job, 80_000)
    }
    await followed.stop(job)
  })
})
