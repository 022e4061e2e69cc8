import type { Examined } from '../../checkpoint/decision-case.ts'
import type { CheckpointEntry } from '../../checkpoint/entries.ts'
import { foldLineage } from '../../checkpoint/lineage.ts'
import { savepointOf } from '../../checkpoint/savepoint.ts'
import { MillraceError } from '../../core/errors.ts'
import { silentLog } from '../lane-context.ts'
import { DecisionDesk } from '../../runtime/decision-desk.ts'
import type { CheckpointLog } from '../../storage/checkpoint-log.ts'
import { Ledger } from '../../storage/ledger.ts'
import { keepIn, readFrom } from '../../storage/savepoints.ts'
import type { SimulatedProcess } from './process.ts'
import type { JobParts } from './world.ts'

/**
 * A person who looks into the table and answers what a halted job asks: what is visible is marked as committed, what is
 * not is read again where that is legal, and given up otherwise.
 */
export async function decideByLooking(process: SimulatedProcess, parts: JobParts): Promise<void> {
  const { world, clock } = process
  const { signal } = new AbortController()
  await using desk = await DecisionDesk.open({ ...parts, logger: silentLog, clock, signal })
  const seen = await desk.look()
  if (seen === undefined) return
  const isHidden = ({ item }: Examined): boolean => !world.servers.isVisible(item.sink, item.committable)
  const hidden = seen.troubled.filter(isHidden)
  // The decision counts from the moment at which the log holds it, whatever becomes of this process.
  world.watch.whenLossIsAccepted = () => {
    for (const { item } of hidden) world.servers.givenUp(item.sink, item.committable)
  }
  const isNotThere = seen.ofCheckpoint.every(isHidden)
  const mayRewind = isNotThere && seen.legal.includes('rewind')
  const answer = hidden.length === 0 ? 'mark-committed' : mayRewind ? 'rewind' : 'accept-loss'
  world.story.tell(process.name, `the operator decides ${answer} for checkpoint ${seen.checkpoint}`)
  try {
    await desk.decide(seen, { answer, by: 'operator', reason: 'looked', isNotThere })
  } catch (error) {
    // Somebody else was quicker, or a server is away: whoever runs next halts again if there still is something to decide.
    if (!(error instanceof MillraceError)) throw error
    world.story.tell(process.name, `not decided: ${error.code}`)
  }
}

/** A person who takes the job back by some confirmed checkpoints, whatever is running meanwhile. */
export function goBack(process: SimulatedProcess, parts: JobParts, by: number): Promise<void> {
  return goBackTo(process, parts, async () => {
    const { checkpoints, confirmedUpTo } = foldLineage(await Ledger.read(parts.log))
    return checkpoints.filter(({ checkpoint }) => checkpoint <= confirmedUpTo).at(-1 - by)
  })
}

/** A person who keeps the newest confirmed checkpoint, whatever is running meanwhile. */
export async function keepSavepoint(process: SimulatedProcess, { log, kept }: JobParts & Kept): Promise<void> {
  const { story, watch } = process.world
  try {
    const entry = savepointOf(foldLineage(await Ledger.read(log)))
    if (entry === undefined) return
    const outcome = await keepIn(kept, entry)
    story.tell(process.name, `savepoint ${entry.checkpoint} ${outcome}`)
    if (!(await readFrom(kept)).some(({ checkpoint }) => checkpoint === entry.checkpoint)) {
      watch.violation(`savepoint ${entry.checkpoint} is kept, and not there`)
    }
  } catch (error) {
    // He is told that nothing was kept, or that nobody knows.
    if (!(error instanceof MillraceError)) throw error
    story.tell(process.name, `no savepoint: ${error.code}`)
    if (error.code === 'STORE_CORRUPT') watch.violation(`keeping a savepoint: ${error.message}`)
  }
}

/** A person who takes the job back to a savepoint, which the log may have collected long ago. */
export function goBackToSavepoint(process: SimulatedProcess, parts: JobParts & Kept): Promise<void> {
  return goBackTo(process, parts, async () => {
    const kept = await readFrom(parts.kept)
    return kept.length === 0 ? undefined : process.world.random.pick(kept)
  })
}

/** Where savepoints stand. */
interface Kept {
  readonly kept: CheckpointLog
}

async function goBackTo(
  process: SimulatedProcess,
  parts: JobParts,
  choose: () => Promise<CheckpointEntry | undefined>,
): Promise<void> {
  const { story } = process.world
  const { signal } = new AbortController()
  try {
    const target = await choose()
    if (target === undefined) return
    await using desk = await DecisionDesk.open({ ...parts, logger: silentLog, clock: process.clock, signal })
    const seen = await desk.lookBack(target)
    const as = await desk.rollBack(target, seen, { by: 'operator', reason: 'asked for' })
    story.tell(process.name, `went back to ${target.checkpoint} as checkpoint ${as}`)
  } catch (error) {
    // Somebody else was quicker, or it cannot be done now: the job goes on from wherever the log says.
    if (!(error instanceof MillraceError)) throw error
    story.tell(process.name, `did not go back: ${error.code}`)
    if (error.code === 'STORE_CORRUPT') process.world.watch.violation(`going back: ${error.message}`)
  }
}
