import { MillraceError } from '../../core/errors.ts'
import { silentLog } from '../lane-context.ts'
import { DecisionDesk } from '../../runtime/decision-desk.ts'
import { foldLineage } from '../../checkpoint/lineage.ts'
import { Ledger } from '../../storage/ledger.ts'
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
  const pending = foldLineage(await Ledger.read(parts.log)).pending.filter(
    (item) => item.sink === seen.sink && item.checkpoint === seen.checkpoint,
  )
  const hidden = pending.filter((item) => !world.server.isVisible(item.committable))
  const answer = hidden.length === 0 ? 'mark-committed' : seen.legal.includes('rewind') ? 'rewind' : 'accept-loss'
  world.story.tell(process.name, `the operator decides ${answer} for checkpoint ${seen.checkpoint}`)
  const isNotThere = hidden.length === pending.length
  try {
    await desk.decide(seen, { answer, by: 'operator', reason: 'looked', isNotThere })
  } catch (error) {
    // Somebody else was quicker, or a server is away: whoever runs next halts again if there still is something to decide.
    if (!(error instanceof MillraceError)) throw error
    world.story.tell(process.name, `not decided: ${error.code}`)
    return
  }
  if (answer === 'accept-loss') world.givenUp(hidden.flatMap((item) => [...world.server.rowsOf(item.committable)]))
}
