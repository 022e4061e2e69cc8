import { isOnS3, whyUnreachable, type SinkKind } from '../../test/e2e/kit/cells.ts'
import { Chance } from '../../test/e2e/kit/chance.ts'
import { finish, settle } from '../../test/e2e/kit/kills.ts'
import type { Broker } from '../../test/e2e/kit/topic.ts'
import { World } from '../../test/e2e/kit/world.ts'
import { endingOf, lifeOf, type Cycle } from './cycle.ts'

/** One job of a campaign. Its seed decides everything but the moments at which the machine gives it time. */
export interface JobOfCampaign {
  readonly sink: SinkKind
  readonly seed: number
  readonly cycles: number
}

/** Rows per partition at the beginning. */
const ROWS = 300
/** Cycles of a second job, whose source ends. */
const ENDINGS = 2

/**
 * A job is hurt again and again; after every cycle readers are looked at, and in the end everything has to be there, once,
 * and nothing be left. Returns its rows, or the cycle after which something was wrong.
 */
export async function liveThrough(
  broker: Broker,
  { sink, seed, cycles }: JobOfCampaign,
  played: (cycle: Cycle, isHurt: boolean) => void,
): Promise<{ readonly rows: number; readonly failed?: { readonly after: Cycle | undefined; readonly error: Error } }> {
  const chance = new Chance(seed)
  const common = { broker, sink, rows: ROWS, lanes: lanesOf(sink, chance) }
  const atTheEnd = endingOf(sink, chance, Math.min(ENDINGS, cycles - 1))
  let last: Cycle | undefined
  let rows = 0
  const suffer = async (world: World, life: readonly Cycle[]): Promise<void> => {
    for (const cycle of life) {
      last = cycle
      const isHurt = await cycle.play(world)
      await world.auditVisible()
      played(cycle, isHurt)
      // It has ended.
      if (!isHurt) break
    }
    rows += world.topic.rows
  }
  try {
    {
      await using world = await World.create(common)
      // Some steps of a start are only taken when there is a checkpoint to go on from.
      await settle(world)
      await suffer(world, lifeOf(sink, chance, cycles - atTheEnd.length))
      await settle(world)
    }
    if (atTheEnd.length > 0) {
      // A pause that never ends: all rows are left for the last checkpoint.
      await using world = await World.create({ ...common, isBounded: true, interval: '1h' })
      await suffer(world, atTheEnd)
      await finish(world)
    }
    return { rows }
  } catch (error) {
    return { rows, failed: { after: last, error: error as Error } }
  }
}

/** A lane less is a start that costs less; where lanes have to wait for each other there are two. */
function lanesOf(sink: SinkKind, chance: Chance): number {
  const isAligned = whyUnreachable({ name: 'chk.align', position: 'before', nth: 1 }, sink) === undefined
  return isAligned && !isOnS3(sink) ? 2 : 1 + chance.below(2)
}
