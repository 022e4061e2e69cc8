import type { SplitId } from '../../core/batch.ts'
import type { Logger } from '../../core/context.ts'
import type { Plan, Step } from '../../plan/plan.ts'
import type { FromLane } from '../messages.ts'
import type { SourceSide } from '../source-side.ts'
import { decideMove, type Move, type Skew } from './decide-move.ts'

type Books = Pick<SourceSide, 'lanesOf' | 'move'>

interface Watched {
  readonly read: Map<SplitId, number>
  skew: Skew | undefined
  /** Under way since the last barrier. */
  move: Move | undefined
}

/**
 * Moves splits between lanes at checkpoints: the lane that has one gives it back at the barrier, and the other one takes it
 * where that checkpoint has it, as soon as it is published. Until then the book says the old lane, so a rewind in between
 * finds everything as it was.
 */
export class SplitMoves {
  readonly #sources = new Map<string, Watched>()
  readonly #side: Books
  readonly #lanes: number
  readonly #log: Logger

  constructor({ steps, parallelism: lanes }: Pick<Plan, 'steps' | 'parallelism'>, side: Books, log: Logger) {
    this.#side = side
    this.#lanes = lanes
    this.#log = log
    // A bounded job may be over before a split has moved.
    const isWatched = (step: Step): boolean => step.kind === 'source' && step.rebalance === true && !step.bounded
    for (const { id } of lanes > 1 ? steps.filter(isWatched) : [])
      this.#sources.set(id, { read: new Map(), skew: undefined, move: undefined })
  }

  hear({ source, splits }: FromLane & { kind: 'split-bytes' }): void {
    const read = this.#sources.get(source)?.read
    for (const [split, bytes] of splits) read?.set(split, (read.get(split) ?? 0) + bytes)
  }

  /** At a barrier: what each lane gives back, by source. */
  atBarrier(): (lane: number) => Readonly<Record<string, readonly SplitId[]>> {
    const moves = [...this.#sources].flatMap(([source, watched]): [string, Move][] => {
      const loads = this.#side
        .lanesOf(source)
        .map(({ split, lane }) => ({ split, lane, bytes: watched.read.get(split) ?? 0 }))
      watched.read.clear()
      const { move, skew } = decideMove(loads, this.#lanes, watched.skew)
      watched.skew = skew
      watched.move = move
      return move === undefined ? [] : [[source, move]]
    })
    return (lane) => {
      const given = moves.filter(([, { from }]) => from === lane)
      return Object.fromEntries(given.map(([source, { split }]) => [source, [split]]))
    }
  }

  /** The checkpoint of the last barrier is published: what each move's new lane takes, where there is something left. */
  published(add: (lane: number, source: string, splits: ReturnType<SourceSide['move']>) => void): void {
    for (const [source, watched] of this.#sources) {
      const { move } = watched
      watched.move = undefined
      if (move === undefined) continue
      const { split, from, to } = move
      this.#log.info(`${source}: lane ${from} reads more than the others, so ${split} moves to lane ${to}`)
      add(to, source, this.#side.move(source, split, to))
    }
  }

  /** The barrier came to nothing: every split stays where the book has it. */
  rewound(): void {
    for (const watched of this.#sources.values()) {
      watched.move = undefined
      watched.skew = undefined
      watched.read.clear()
    }
  }
}
