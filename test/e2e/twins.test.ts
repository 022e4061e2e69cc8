/** Two instances of one job: a stopped process wakes up when another one has long taken over. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { armed, cellText, type Cell, type SinkKind } from './kit/cells.ts'
import { caughtUp, endedWell, isConfirmed } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'
import type { CommandLine } from './command-line.ts'

/** Two more than are retained: what the sleeper knew is collected by then. */
const CHECKPOINTS = 5
const ROWS = 100

const cell = (name: Cell['name'], position: Cell['position'], nth = 1): Cell => ({ name, position, nth })

/** A usual run plays the first ones; the kill campaign has its own, at random. */
const SLEEPS: Readonly<Partial<Record<SinkKind, readonly Cell[]>>> = {
  starrocks: [
    // The first one is the claim: who sleeps before it takes over when it wakes up, and rightly so.
    cell('store.manifest.publish', 'before', 2),
    cell('gc.delete', 'before'),
    cell('restore.abort', 'before'),
    cell('commit', 'before'),
    cell('chk.barrier', 'after'),
    cell('sink.prepare', 'after'),
    cell('confirm', 'before'),
    cell('restore.claim', 'after'),
    cell('restore.recommit', 'before'),
  ],
  hudi: [cell('commit', 'before'), cell('sink.prepare', 'before'), cell('restore.abort', 'before')],
  'hudi-s3': [cell('store.manifest.publish', 'before', 2)],
  kafka: [cell('commit', 'before'), cell('sink.prepare', 'after')],
}
const USUAL: Readonly<Partial<Record<string, number>>> = { starrocks: 3 }
const isFull = process.env['MILLRACE_FULL'] === '1'

for (const [sink, cells] of Object.entries(SLEEPS)) {
  suite(`twins that write to ${sink}`, { concurrency: 2 }, () => {
    for (const sleep of isFull ? cells : cells.slice(0, USUAL[sink] ?? 1)) {
      test(`one that slept at ${cellText(sleep)} ends fenced`, async () => {
        await using broker = await Broker.open()
        await using world = await World.create({ broker, sink: sink as SinkKind, rows: ROWS })
        await liveOnce(world)

        await using sleeper = world.home.start(armed(sleep, 'stop'))
        await asleep(world, sleeper)
        await using successor = world.home.start()
        await confirmedTimes(world, successor, CHECKPOINTS)
        await world.auditVisible()

        await sleeper.wakeUp()
        assert.deepEqual(await sleeper.ended(), { code: 66, signal: null }, sleeper.out + sleeper.err)
        await world.auditVisible()
        await world.topic.append(ROWS)
        await caughtUp(world, successor)
        successor.signal('SIGTERM')
        await endedWell(successor)
        await world.auditEnd()
      })
    }
  })
}

test('of three that are started at once two end fenced, and the third does the work', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({ broker, sink: 'starrocks', rows: ROWS })
  await liveOnce(world)
  await using first = world.home.start()
  await using second = world.home.start()
  await using third = world.home.start()
  const running = new Set([first, second, third])
  while (running.size > 1) {
    await world.topic.append(ROWS)
    for (const run of running) if (run.hasEnded) running.delete(run)
    await pause(20)
  }
  const [winner] = running
  assert.ok(winner !== undefined)
  for (const run of [first, second, third]) {
    if (run !== winner) assert.deepEqual(await run.ended(), { code: 66, signal: null }, run.out + run.err)
  }
  await caughtUp(world, winner)
  winner.signal('SIGTERM')
  await endedWell(winner)
  await world.auditEnd()
})

test('one that slept before it looked for an earlier life finds its successor’s work, and ends fenced, not in doubt', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({ broker, sink: 'starrocks', rows: ROWS })
  await using sleeper = world.home.start(armed(cell('restore.claim', 'after'), 'stop'))
  await asleep(world, sleeper)
  await using successor = world.home.start()
  await confirmedTimes(world, successor, 1)
  await sleeper.wakeUp()
  assert.deepEqual(await sleeper.ended(), { code: 66, signal: null }, sleeper.out + sleeper.err)
  await caughtUp(world, successor)
  successor.signal('SIGTERM')
  await endedWell(successor)
  await world.auditEnd()
})

/** A life that is cut off after a few checkpoints, so that there is something to restore, to sweep and to collect. */
async function liveOnce(world: World): Promise<void> {
  await using run = world.home.start()
  await confirmedTimes(world, run, CHECKPOINTS)
  run.signal('SIGKILL')
  await run.ended()
}

/** Rows come in until so many checkpoints are confirmed. */
async function confirmedTimes(world: World, run: CommandLine, times: number): Promise<void> {
  let newest = 0
  for (let made = 0; made < times; made++) {
    await world.topic.append(ROWS)
    const confirmed = await run.event((event) => isConfirmed(event) && Number(event['checkpoint']) > newest)
    newest = Number(confirmed['checkpoint'])
  }
}

/** Waits until the process has stopped itself. */
async function asleep(world: World, run: CommandLine): Promise<void> {
  await world.topic.append(ROWS)
  while (!world.home.trace().some((line) => line.startsWith(`${run.pid} `))) {
    assert.ok(!run.hasEnded, `it ended before it slept:\n${run.out}${run.err}`)
    await pause(10)
  }
}
