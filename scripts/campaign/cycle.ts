import {
  cellText,
  CELLS,
  hitsOf,
  mayBeMissed,
  phaseOf,
  whyUnreachable,
  type Cell,
  type SinkKind,
} from '../../test/e2e/kit/cells.ts'
import type { Chance } from '../../test/e2e/kit/chance.ts'
import { killAfter, killAt, killAtEnd, sleepBesideATwin, stopAfter } from '../../test/e2e/kit/kills.ts'
import { makeTrouble } from '../../test/e2e/kit/trouble.ts'
import type { World } from '../../test/e2e/kit/world.ts'

/** What is done to the job in one cycle. */
export interface Cycle {
  readonly what:
    | 'killed at a step'
    | 'killed at a step of its end'
    | 'killed at any time'
    | 'stopped by signal'
    | 'slept beside a twin'
  readonly where: string
  /** Hurts the job. False when it ended, well, before it could be hurt. What readers see is the caller's to look at. */
  play(world: World): Promise<boolean>
}

const ANY_TIME_MS = 1500
/** Steps at which every job passes, and where a process that sleeps does harm if anywhere. */
const SLEEPS: readonly Cell[] = [
  { name: 'chk.barrier', position: 'after', nth: 1 },
  { name: 'sink.prepare', position: 'before', nth: 1 },
  { name: 'sink.prepare', position: 'after', nth: 1 },
  { name: 'store.manifest.publish', position: 'before', nth: 2 },
  { name: 'commit', position: 'before', nth: 1 },
  { name: 'confirm', position: 'before', nth: 1 },
  { name: 'restore.claim', position: 'after', nth: 1 },
  { name: 'restore.recommit', position: 'before', nth: 1 },
  { name: 'restore.abort', position: 'before', nth: 1 },
]

/** The cycles of a job whose source has no end. No step comes twice before all have come. */
export function lifeOf(sink: SinkKind, chance: Chance, length: number): Cycle[] {
  const steps = chance.sample(stepsOf(sink), CELLS.length)
  return Array.from({ length }, () => {
    const dice = chance.below(100)
    if (dice < 15) return killedAnyTime(chance.below(ANY_TIME_MS))
    if (dice < 20) return stopped(chance.below(ANY_TIME_MS))
    if (dice < 28) return slept(SLEEPS[chance.below(SLEEPS.length)])
    return killed(steps.shift() ?? chance.sample(stepsOf(sink), 1)[0], chance)
  })
}

/**
 * Those of a job whose source ends. Its steps follow each other, so one job can die at two of them; but the next start
 * commits what the last one published.
 */
export function endingOf(sink: SinkKind, chance: Chance, length: number): Cycle[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'finish' && whyUnreachable(cell, sink) === undefined)
  const sample = chance.sample(cells, length).sort((one, other) => cells.indexOf(one) - cells.indexOf(other))
  return sample.filter(({ name }, at) => at === 0 || name !== 'final.commit').map(killedAtItsEnd)
}

function stepsOf(sink: SinkKind): Cell[] {
  return CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, sink) === undefined)
}

function killedAnyTime(ms: number): Cycle {
  const play = async (world: World): Promise<boolean> => {
    await world.topic.append(100)
    await killAfter(world, ms)
    return true
  }
  return { what: 'killed at any time', where: `after ${ms} ms`, play }
}

function stopped(ms: number): Cycle {
  return { what: 'stopped by signal', where: `after ${ms} ms`, play: (world) => stopAfter(world, ms).then(() => true) }
}

function slept(cell: Cell | undefined): Cycle {
  if (cell === undefined) throw new RangeError('there is no such step')
  return {
    what: 'slept beside a twin',
    where: cellText(cell),
    play: (world) => sleepBesideATwin(world, cell).then(() => true),
  }
}

function killed(step: Cell | undefined, chance: Chance): Cycle {
  if (step === undefined) throw new RangeError('a job passes no step')
  const cell = { ...step, nth: 1 + chance.below(hitsOf(step)) }
  const play = async (world: World): Promise<boolean> => {
    const calm = await makeTrouble(world, cell)
    if (!(await killAt(world, cell))) throw new Error(`the job never came by ${cellText(cell)}`)
    await calm?.()
    return true
  }
  return { what: 'killed at a step', where: cellText(cell), play }
}

function killedAtItsEnd(cell: Cell): Cycle {
  const play = async (world: World): Promise<boolean> => {
    const isHit = await killAtEnd(world, cell)
    if (!isHit && !mayBeMissed(cell)) throw new Error(`the job never came by ${cellText(cell)}`)
    return isHit
  }
  return { what: 'killed at a step of its end', where: cellText(cell), play }
}

export function textOf({ what, where }: Cycle): string {
  return `${what}, ${where}`
}
