/** Published transactions that are gone, or that nobody remembers: remedied where that is proven right, else decided by people. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ManualClock } from '../../src/testkit/emulators/clock.ts'
import type { Emulator } from '../../src/testkit/emulators/options.ts'
import { Broker } from './faults-kit/broker.ts'
import { CANARY } from './faults-kit/canary.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { EVENTS, idsOf, sinkOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const TWO_DAYS_MS = 2 * 86_400_000
const KILLED = { code: null, signal: 'SIGKILL' }

interface Scene extends AsyncDisposable {
  readonly server: Emulator
  readonly clock: ManualClock
  readonly followed: FollowedJob
}

/** A job that was killed where `failpoints` says: ten rows are confirmed before that when `isFirst` is false. */
async function killedJob(failpoints: string, isFirst: boolean): Promise<Scene> {
  const clock = new ManualClock()
  const server = await startWarehouse('starrocks', { clock })
  const followed = await FollowedJob.create('starrocks', server)
  await using job = followed.home.run({ MILLRACE_FAILPOINTS: failpoints })
  followed.append(10)
  if (!isFirst) {
    await job.event(isConfirmed)
    followed.append(10)
  }
  assert.deepEqual(await job.ended(), KILLED, `${job.out}${job.err}`)
  const dispose = async (): Promise<void> => {
    await followed[Symbol.asyncDispose]()
    await server.close()
  }
  return { server, clock, followed, [Symbol.asyncDispose]: dispose }
}

/** The label of the only transaction that is prepared. */
function preparedLabel(server: Emulator): string {
  const [prepared] = server.transactions().filter(({ state }) => state === 'PREPARED')
  return prepared?.label ?? assert.fail('nothing is prepared')
}

/** What an administrator does by hand. */
async function rollBackByHand(server: Emulator, label: string): Promise<void> {
  const login = Buffer.from(`root:${CANARY}`).toString('base64')
  const answer = await fetch(`${server.urls[0]}/api/transaction/rollback`, {
    method: 'POST',
    headers: { authorization: `Basic ${login}`, db: EVENTS.database, label },
  })
  assert.match(await answer.text(), /OK/)
}

suite('lost and forgotten transactions', { concurrency: 3 }, () => {
  test('a transaction that expired while the job was down is written again from the checkpoint before', async () => {
    await using scene = await killedJob('commit:before@2=kill', false)
    const { server, clock, followed } = scene
    clock.advance(TWO_DAYS_MS)
    await using again = followed.home.run()
    await followed.untilVisible(again)
    await followed.stop(again)
    assert.deepEqual(idsOf(server), upTo(20))
  })

  test('a transaction of the very first checkpoint that expired is written again from where the sources began', async () => {
    await using scene = await killedJob('commit:before@1=kill', true)
    const { server, clock, followed } = scene
    clock.advance(TWO_DAYS_MS)
    await using again = followed.home.run()
    await followed.untilVisible(again)
    await followed.stop(again)
    assert.deepEqual(idsOf(server), upTo(10))
  })

  test('a first checkpoint that was taken back is read again from where `latest` was, not from where it is', async () => {
    await using broker = await Broker.open()
    await using home = await JobHome.create()
    const clock = new ManualClock()
    await using server = await startWarehouse('starrocks', { clock })
    const topic = await broker.createTopic(1)
    const row = (id: number): string => `{"id":${id},"name":"x"}`
    await broker.send(topic, 0, [row(900), row(901)])
    home.write({
      sources: `in: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic}], start: latest, format: json, schema: {id: bigint, name: varchar}}`,
      sinks: `out: {from: in, ${sinkOf('starrocks', server)}}`,
    })
    // Told where `latest` is, and killed before a row has come.
    await using first = home.run()
    await first.event((event) => event.event === 'started')
    first.signal('SIGKILL')
    await first.ended()
    await broker.send(topic, 0, [row(0), row(1)])
    await using second = home.run({ MILLRACE_FAILPOINTS: 'commit:before@1=kill' })
    assert.deepEqual(await second.ended(), KILLED, second.out + second.err)
    await broker.send(topic, 0, [row(2)])
    clock.advance(TWO_DAYS_MS)
    await using again = home.run()
    await again.event((event) => isConfirmed(event) && idsOf(server).length === 3)
    again.signal('SIGTERM')
    assert.equal((await again.ended()).code, 0, again.out + again.err)
    assert.deepEqual(idsOf(server), upTo(3))
  })

  test('a transaction that an administrator rolled back is written again', async () => {
    await using scene = await killedJob('commit:before@2=kill', false)
    const { server, followed } = scene
    await rollBackByHand(server, preparedLabel(server))
    await using again = followed.home.run()
    await followed.untilVisible(again)
    await followed.stop(again)
  })

  test('a transaction that is lost under a running job is written again without a new process', async () => {
    await using server = await startWarehouse()
    await using followed = await FollowedJob.create('starrocks', server)
    await using job = followed.home.run()
    followed.append(10)
    await job.event(isConfirmed)
    server.addFault({ match: { operation: 'commit' }, action: 'expire-transaction' })
    followed.append(10)
    await followed.untilVisible(job)
    await followed.stop(job)
  })

  test('the first transaction of all, lost under a running job, is written again without a new process', async () => {
    await using server = await startWarehouse('doris')
    await using followed = await FollowedJob.create('doris', server)
    server.addFault({ match: { operation: 'twoPhaseCommit' }, action: 'expire-transaction' })
    await using job = followed.home.run()
    followed.append(10)
    await followed.untilVisible(job)
    await followed.stop(job)
  })

  test('a forgotten label of a confirmed checkpoint is nobody’s business', async () => {
    await using server = await startWarehouse('starrocks', { settings: { labelKeepMaxNum: 0 } })
    await using followed = await FollowedJob.create('starrocks', server)
    await using first = followed.home.run()
    followed.append(10)
    await first.event(isConfirmed)
    await followed.stop(first)
    await using second = followed.home.run()
    followed.append(10)
    await followed.untilVisible(second)
    await followed.stop(second)
  })

  test('a forgotten label of an unconfirmed checkpoint needs a decision: committed and lost look the same', async () => {
    await using scene = await killedJob('confirm:before@1=kill', true)
    const { server, followed } = scene
    assert.deepEqual(idsOf(server), upTo(10), 'it was committed, which the server forgets now')
    server.addFault({ match: { operation: 'commit', times: 0 }, action: 'evict-label' })
    await using again = followed.home.run()
    const { code, err } = await halted(again)
    assert.equal(code, 68, err)
    assert.equal(followed.home.report()?.code, 'OUTCOME_UNKNOWN')
    assert.match(err, /millrace decide.*mark-committed/s)
    assert.deepEqual(idsOf(server), upTo(10))
  })
})
