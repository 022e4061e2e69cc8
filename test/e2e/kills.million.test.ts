/** A million rows into StarRocks while the process is killed again and again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { armed, CELLS, cellText, phaseOf, whyUnreachable, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import type { CommandLine } from './command-line.ts'
import { endedWell, isConfirmed } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

const PARTITIONS = 4
const ROWS = 1_000_000
const isFull = process.env['MILLRACE_FULL'] === '1'
const AT_FAILPOINTS = isFull ? 40 : 5
const AT_ANY_TIME = isFull ? 9 : 2
/** Steps that need a server in trouble or a stop, and those of the very end, are the campaign's. */
const SPECIAL = /^(evidence|decision|stop|final)\b/

test('a million rows arrive once, whatever is killed when', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using broker = await Broker.open()
  await using world = await World.create({
    broker,
    sink: 'starrocks',
    partitions: PARTITIONS,
    rows: ROWS / PARTITIONS,
    isBounded: true,
  })
  const reachable = CELLS.filter(
    (cell) => phaseOf(cell) === 'flow' && !SPECIAL.test(cell.name) && whyUnreachable(cell, 'starrocks') === undefined,
  )
  const kills: (Cell | number)[] = [
    ...chance.sample(reachable, AT_FAILPOINTS),
    ...Array.from({ length: AT_ANY_TIME }, () => 500 + chance.below(1000)),
  ]
  // First when something is published: before that, some steps of a restore are not taken.
  const first: Cell = { name: 'confirm', position: 'after', nth: 1 }
  for (const kill of [first, ...chance.sample(kills, kills.length)]) {
    await using run = world.home.start(typeof kill === 'number' ? '' : armed(kill, 'kill'))
    if (typeof kill === 'number') {
      await pause(kill)
      run.signal('SIGKILL')
    }
    const { code, signal } = await run.ended()
    const where = typeof kill === 'number' ? `after ${kill} ms` : `at ${cellText(kill)}`
    const words = `killed ${where} it ended with ${code}, MILLRACE_SEED=${chance.seed}:\n${run.out}${run.err}`
    assert.equal(signal, 'SIGKILL', words)
    const visible = await world.auditVisible()
    t.diagnostic(`killed ${where}; readers see ${visible.join(' + ')}`)
  }
  await using run = world.home.start()
  // Most rows are left for it: how long it may take is a matter of its checkpoints, not of the whole.
  for (let newest: number | undefined = 0; newest !== undefined; newest = await confirmedAfter(run, newest));
  await endedWell(run)
  await world.auditEnd()
})

/** The next confirmed checkpoint; nothing when the job ends without one. */
async function confirmedAfter(run: CommandLine, newest: number): Promise<number | undefined> {
  const confirmed = await run.eventOrEnd((event) => isConfirmed(event) && Number(event['checkpoint']) > newest)
  return confirmed === undefined ? undefined : Number(confirmed['checkpoint'])
}
