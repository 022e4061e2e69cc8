import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine, Event } from '../command-line.ts'
import { armed, cellText, type Cell } from './cells.ts'
import type { PipelineHome } from './pipeline-home.ts'

/** A job that can be killed, and what is needed to hurt and to audit it. */
export interface Killable {
  readonly home: PipelineHome
  /** Where rows come from. */
  readonly topic: { append(rows: number): Promise<void> }
  isCaughtUp(): Promise<boolean>
  auditEnd(): Promise<void>
}

/** A process that made so many checkpoints without coming by the failpoint never does: one more than are retained. */
const CHECKPOINTS = 6
/** Rows per partition for each of them. */
const ROWS = 50
const NAP_MS = 50
/** Never reached when all is well. */
const PATIENCE_MS = 180_000

/** Starts the job to die at the failpoint, with rows coming in. False when it was stopped without having been there. */
export async function killAt(world: Killable, cell: Cell): Promise<boolean> {
  const killed = `${cell.name}:${cell.position}@${cell.nth} kill`
  await using run = world.home.start(armed(cell, 'kill'))
  await world.topic.append(ROWS)
  let newest = 0
  for (let made = 0; made < CHECKPOINTS; made++) {
    const confirmed = await run.eventOrEnd((event) => isConfirmed(event) && Number(event['checkpoint']) > newest)
    if (confirmed === undefined) break
    newest = Number(confirmed['checkpoint'])
    await world.topic.append(ROWS)
    if (cell.name.startsWith('stop.')) break
  }
  run.signal('SIGTERM')
  const { code, signal } = await run.ended()
  if (code === 0) return false
  assert.equal(signal, 'SIGKILL', `${cellText(cell)}: it ended with ${code}:\n${run.out}${run.err}`)
  assert.ok(
    world.home.trace().some((line) => line === `${run.pid} ${killed}`),
    `killed at ${cellText(cell)}, says ${world.home.trace().at(-1)}`,
  )
  return true
}

/** Like `killAt`, for a job that ends by itself. */
export async function killAtEnd(world: Killable, cell: Cell): Promise<boolean> {
  await using run = world.home.start(armed(cell, 'kill'))
  const { code, signal } = await run.ended()
  if (code === 0) return false
  assert.equal(signal, 'SIGKILL', `${cellText(cell)}: it ended with ${code}:\n${run.out}${run.err}`)
  return true
}

/**
 * Lets the job sleep at the failpoint, starts another instance, and wakes it up: one of them has to end fenced, whichever
 * of them claimed first. The other one is killed.
 */
export async function sleepBesideATwin(world: Killable, cell: Cell): Promise<void> {
  await using sleeper = world.home.start(armed(cell, 'stop'))
  const isAsleep = (): boolean => world.home.trace().some((line) => line.startsWith(`${sleeper.pid} `))
  for (const patience = AbortSignal.timeout(PATIENCE_MS); !isAsleep();) {
    const isComing = !sleeper.hasEnded && !patience.aborted
    assert.ok(isComing, `it does not come by ${cellText(cell)}:\n${sleeper.out}${sleeper.err}`)
    await world.topic.append(1)
    await pause(NAP_MS)
  }
  await using twin = world.home.start()
  await twin.event((event) => event.event === 'claimed')
  await world.topic.append(ROWS)
  await twin.event(isConfirmed)
  for (const patience = AbortSignal.timeout(PATIENCE_MS); !sleeper.hasEnded && !twin.hasEnded;) {
    assert.ok(
      !patience.aborted,
      `${cellText(cell)}: both run on:\n${sleeper.out}${sleeper.err}\n${twin.out}${twin.err}`,
    )
    // Each lane thread that comes by the failpoint stops the process once more.
    sleeper.signal('SIGCONT')
    await world.topic.append(1)
    await pause(NAP_MS)
  }
  const fenced = sleeper.hasEnded ? sleeper : twin
  assert.deepEqual(await fenced.ended(), { code: 66, signal: null }, `${cellText(cell)}: ${fenced.out}${fenced.err}`)
  for (const run of [sleeper, twin]) run.signal('SIGKILL')
  await Promise.all([sleeper.ended(), twin.ended()])
}

/** Kills the job so many milliseconds after its start, wherever it is then. */
export async function killAfter(world: Killable, milliseconds: number): Promise<void> {
  await using run = world.home.start()
  await pause(milliseconds)
  run.signal('SIGKILL')
  await run.ended()
}

/** Asks the job to stop so many milliseconds after its start, wherever it is then: it has to end well, and to end. */
export async function stopAfter(world: Killable, milliseconds: number): Promise<void> {
  await using run = world.home.start()
  await pause(milliseconds)
  run.signal('SIGTERM')
  const { code, signal } = await run.ended()
  // The first tenths of a second belong to Node, which ends at once.
  const isEnded = code === 0 || signal === 'SIGTERM'
  assert.ok(isEnded, `stopped after ${milliseconds} ms, it ended with ${code ?? signal}:\n${run.out}${run.err}`)
}

/** Lets the job catch up, stops it, and audits everything. */
export async function settle(world: Killable): Promise<void> {
  await using run = world.home.start()
  await caughtUp(world, run)
  run.signal('SIGTERM')
  await endedWell(run)
  await world.auditEnd()
}

/** Lets a job that ends by itself end, and audits everything. */
export async function finish(world: Killable): Promise<void> {
  await using run = world.home.start()
  await endedWell(run)
  await world.auditEnd()
}

/** Waits until every row is in a confirmed checkpoint. */
export async function caughtUp(world: Killable, run: CommandLine): Promise<void> {
  await run.event((event) => event.event === 'started')
  let newest = 0
  while (!(await world.isCaughtUp())) {
    const confirmed = await run.event((event) => isConfirmed(event) && Number(event['checkpoint']) > newest)
    newest = Number(confirmed['checkpoint'])
  }
}

export async function endedWell(run: CommandLine): Promise<void> {
  const { code, signal } = await run.ended()
  assert.equal(code, 0, `it ended with ${code ?? signal}:\n${run.out}${run.err}`)
}

export function isConfirmed(event: Event): boolean {
  return event.event === 'confirmed'
}
