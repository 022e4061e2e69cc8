import { setTimeout as pause } from 'node:timers/promises'
import { armed, CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell } from '../../test/e2e/kit/cells.ts'
import type { Chance } from '../../test/e2e/kit/chance.ts'
import { killAfter, killAt, stopAfter } from '../../test/e2e/kit/kills.ts'
import type { World } from '../../test/e2e/kit/world.ts'

/** What was done to the job in one cycle. */
export interface Cycle {
  readonly what: 'killed at a step' | 'killed at any time' | 'stopped by signal' | 'slept beside a twin'
  readonly where: string
}

/** A process that slept is left alone for as long as a twin takes to start and publish. */
const SLEEP_MS = 2500
const ANY_TIME_MS = 1500
/** Steps that only a trouble of the server leads to. */
const NEEDS_TROUBLE: ReadonlySet<string> = new Set(['evidence', 'decision.apply'])

/** Hurts the job once. What readers see is the caller's to look at. */
export async function playCycle(world: World, chance: Chance): Promise<Cycle> {
  const dice = chance.below(100)
  if (dice < 20) {
    await world.topic.append(100)
    const ms = chance.below(ANY_TIME_MS)
    await killAfter(world, ms)
    return { what: 'killed at any time', where: `after ${ms} ms` }
  }
  if (dice < 27) {
    const ms = chance.below(ANY_TIME_MS)
    await stopAfter(world, ms)
    return { what: 'stopped by signal', where: `after ${ms} ms` }
  }
  const cell = pick(world, chance)
  if (dice < 35) {
    await sleepBesideATwin(world, cell)
    return { what: 'slept beside a twin', where: cellText(cell) }
  }
  await killAt(world, cell)
  return { what: 'killed at a step', where: cellText(cell) }
}

function pick(world: World, chance: Chance): Cell {
  const { kind } = world.target
  const cells = CELLS.filter(
    (cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, kind) === undefined && !NEEDS_TROUBLE.has(cell.name),
  )
  const [cell] = chance.sample(cells, 1)
  if (cell === undefined) throw new RangeError(`a job to ${kind} passes no step`)
  return { ...cell, nth: 1 + chance.below(hitsOf(cell)) }
}

/** SIGSTOP at a step, another instance meanwhile, SIGCONT: one of them goes on, and the other ends fenced or killed. */
async function sleepBesideATwin(world: World, cell: Cell): Promise<void> {
  await using sleeper = world.home.start(armed(cell, 'stop'))
  await world.topic.append(50)
  await pause(SLEEP_MS / 2)
  await using twin = world.home.start()
  await pause(SLEEP_MS / 2)
  sleeper.signal('SIGCONT')
  await world.topic.append(50)
  await pause(SLEEP_MS / 4)
  for (const run of [sleeper, twin]) run.signal('SIGKILL')
  await Promise.all([sleeper.ended(), twin.ended()])
}
