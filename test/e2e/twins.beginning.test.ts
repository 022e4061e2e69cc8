/** Two instances of a job that has not confirmed anything yet: what is settled at the very beginning is settled once. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from './command-line.ts'
import { CANARY } from './faults-kit/canary.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { isConfirmed, type JobHome } from './faults-kit/job-home.ts'
import { EVENTS, idsOf, openTransactions, startWarehouse, upTo } from './faults-kit/warehouse.ts'
import type { Emulator } from '../../src/testkit/emulators/options.ts'

const FENCED = { code: 66, signal: null }

/** Starts a process that stops itself at the failpoint, and waits until it has. */
async function asleepAt(home: JobHome, failpoint: string, feed: () => void = () => undefined): Promise<CommandLine> {
  const trace = path.join(home.directory, 'trace')
  const sleeper = home.run({ MILLRACE_FAILPOINTS: `${failpoint}=stop`, MILLRACE_FAILPOINT_TRACE: trace })
  feed()
  while (!existsSync(trace) || !readFileSync(trace, 'utf8').startsWith(`${sleeper.pid} ${failpoint}`)) {
    assert.ok(!sleeper.hasEnded, `it ended before it slept:\n${sleeper.out}${sleeper.err}`)
    await pause(10)
  }
  return sleeper
}

async function wakesUpFenced(sleeper: CommandLine): Promise<void> {
  assert.deepEqual(await sleeper.wakeUp(), FENCED, sleeper.out + sleeper.err)
}

/** What an administrator does by hand with the only transaction that is prepared. */
async function rollBackByHand(server: Emulator): Promise<void> {
  const [prepared] = server.transactions().filter(({ state }) => state === 'PREPARED')
  assert.ok(prepared !== undefined, 'something is prepared')
  const answer = await fetch(`${server.urls[0]}/api/transaction/rollback`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`root:${CANARY}`).toString('base64')}`,
      db: EVENTS.database,
      label: prepared.label,
    },
  })
  assert.match(await answer.text(), /OK/)
}

suite('twins at the very beginning', { concurrency: 2 }, () => {
  for (const failpoint of ['commit:before@1', 'commit:after@1']) {
    test(`one that slept at ${failpoint} of a first checkpoint that was taken back meanwhile ends fenced`, async () => {
      await using server = await startWarehouse()
      await using followed = await FollowedJob.create('starrocks', server)
      // Its commit is refused before it sleeps behind it, as it will be when it sleeps before it.
      if (failpoint.startsWith('commit:after')) {
        server.addFault({ match: { operation: 'commit', times: 1 }, action: 'expire-transaction' })
      }
      await using sleeper = await asleepAt(followed.home, failpoint, () => followed.append(10))
      if (failpoint.startsWith('commit:before')) await rollBackByHand(server)
      await using successor = followed.home.run()
      await followed.untilVisible(successor)
      await wakesUpFenced(sleeper)
      followed.append(10)
      await followed.untilVisible(successor)
      await followed.stop(successor)
      assert.deepEqual([idsOf(server), openTransactions(server)], [upTo(20), []])
    })
  }

  test('one that slept before it wrote down where its sources begin ends fenced', async () => {
    await using server = await startWarehouse()
    await using followed = await FollowedJob.create('starrocks', server)
    await using sleeper = await asleepAt(followed.home, 'restore.seek:after@1')
    await using successor = followed.home.run()
    followed.append(10)
    await successor.event(isConfirmed)
    await wakesUpFenced(sleeper)
    await followed.untilVisible(successor)
    await followed.stop(successor)
  })
})
