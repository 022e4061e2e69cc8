/** Prepared transactions that expire during a long downtime, where rows are kept (`durableStaging`). */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { ManualClock } from '../../src/testkit/emulators/clock.ts'
import { resultOf } from './command-line.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { isConfirmed } from './faults-kit/job-home.ts'
import { idsOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const KILLED = { code: null, signal: 'SIGKILL' }
/** What the servers grant a prepared transaction of these jobs (maxDowntime 10 min and margins; Doris always an hour), in minutes. */
const GRANTED = { starrocks: 15.4, doris: 60 }

interface Checkpoint {
  readonly decisions: readonly { readonly action: string }[]
}

/**
 * Confirms ten rows, is killed with ten more published, and then at each of `kills`. Ten timeouts go by before the first start;
 * before the others, too, where the server remembers labels for so long (Doris does for twelve hours altogether).
 */
async function survives(kind: 'starrocks' | 'doris', options: string, ...kills: readonly string[]): Promise<void> {
  const clock = new ManualClock()
  await using server = await startWarehouse(kind, { clock })
  await using followed = await FollowedJob.create(kind, server, { sinkOptions: `durableStaging: true${options}` })
  const { home } = followed
  await using first = home.run({ MILLRACE_FAILPOINTS: 'commit:before@2=kill' })
  followed.append(10)
  await first.event(isConfirmed)
  followed.append(10)
  assert.deepEqual(await first.ended(), KILLED, first.out + first.err)
  assert.deepEqual(idsOf(server), upTo(10))
  const pass = (): void => clock.advance(10 * GRANTED[kind] * 60_000)
  pass()
  for (const kill of kills) {
    await using again = home.run({ MILLRACE_FAILPOINTS: `${kill}=kill` })
    assert.deepEqual(await again.ended(), KILLED, `${kill}: ${again.out}${again.err}`)
    if (kind === 'starrocks') pass()
  }
  await using last = home.run()
  await followed.untilVisible(last)
  followed.append(5)
  await followed.untilVisible(last)
  await followed.stop(last)
  const { decisions } = await resultOf<Checkpoint>(home.directory, 'checkpoints', 'job.yaml', '2')
  assert.ok(decisions.length > 0 && decisions.every(({ action }) => action === 'reload'), 'nothing was read again')
  assert.deepEqual(keptIn(home.directory), [], 'what is confirmed is not kept')
}

function keptIn(directory: string): string[] {
  return readdirSync(path.join(directory, 'state', 'job', 'staged', 'out')).filter((name) => !name.startsWith('.'))
}

suite('rows that are kept', { concurrency: 2 }, () => {
  test('an expired transaction is loaded again without reading anything again', () =>
    survives('starrocks', ', compression: gzip'))

  test('a process that is killed at any step of it leaves nothing lost, doubled or open (StarRocks)', () =>
    survives(
      'starrocks',
      ', format: csv',
      'sink.prepare:before',
      'sink.prepare:sent',
      'decision.apply:before',
      'decision.apply:after',
      'commit:sent',
      'confirm:before',
    ))

  test('a process that is killed at any step of it leaves nothing lost, doubled or open (Doris)', () =>
    survives('doris', ', loadBytesMax: 1KiB', 'sink.prepare:sent', 'decision.apply:after'))
})
