import type { SplitId } from '../core/batch.ts'
import type { JsonObject } from '../core/json.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { SplitState } from '../checkpoint/entries.ts'
import { spreadSplits } from './assignment.ts'
import type { SplitProgress } from './messages.ts'

/**
 * Every split of one source: which lane reads it, and its position at the last published checkpoint. Splits stay in their
 * lane unless they are moved, and finished ones stay in the book.
 */
export class SplitBook {
  readonly #lanes: number
  readonly #splits = new Map<SplitId, { state: SplitState; lane: number }>()

  constructor(lanes: number) {
    this.#lanes = lanes
  }

  /** Takes splits in and spreads the unfinished ones; returns what each lane got. */
  add(states: readonly SplitState[]): readonly (readonly SplitAssignment[])[] {
    const taken = [...this.#splits.values()].filter(({ state }) => !state.finished).length
    for (const state of states) if (state.finished) this.#splits.set(state.split, { state, lane: -1 })
    const fresh = states.filter((state) => !state.finished)
    const byLane = spreadSplits(fresh, this.#lanes, taken)
    byLane.forEach((splits, lane) => {
      for (const split of splits) this.#splits.set(split.split, { state: { ...split, finished: false }, lane })
    })
    return byLane
  }

  get known(): ReadonlySet<SplitId> {
    return new Set(this.#splits.keys())
  }

  /** Splits that are read to their end, and published so. */
  get finished(): ReadonlySet<SplitId> {
    return new Set(this.ends.keys())
  }

  /** Where those splits ended. */
  get ends(): ReadonlyMap<SplitId, JsonObject> {
    const finished = [...this.#splits.values()].filter(({ state }) => state.finished)
    return new Map(finished.map(({ state }) => [state.split, state.at]))
  }

  /** What a lane reads, from the last published positions. */
  assignments(lane: number): SplitAssignment[] {
    return [...this.#splits.values()]
      .filter((entry) => entry.lane === lane && !entry.state.finished)
      .map(({ state: { finished: _finished, ...assignment } }) => assignment)
  }

  /** The splits that are read, with their lanes. */
  get lanes(): readonly { readonly split: SplitId; readonly lane: number }[] {
    return [...this.#splits].filter(([, { state }]) => !state.finished).map(([split, { lane }]) => ({ split, lane }))
  }

  /** Gives a split to another lane; returns where that one begins, nothing when the split is finished. */
  move(split: SplitId, to: number): SplitAssignment[] {
    const entry = this.#splits.get(split)
    if (entry === undefined || entry.state.finished) return []
    entry.lane = to
    return this.assignments(to).filter((assignment) => assignment.split === split)
  }

  unfinished(): SplitAssignment[] {
    return Array.from({ length: this.#lanes }, (_, lane) => this.assignments(lane)).flat()
  }

  /** The states with the lanes' progress, for a manifest. Changes nothing. */
  withProgress(progress: readonly SplitProgress[]): SplitState[] {
    const moved = new Map(progress.map((item) => [item.split, item]))
    return [...this.#splits.values()].map(({ state }) => {
      const now = moved.get(state.split)
      return now === undefined ? state : { ...state, at: now.at, finished: now.finished }
    })
  }

  /** Takes published states over: from here a rewind goes on. */
  settle(states: readonly SplitState[]): void {
    for (const state of states) {
      const entry = this.#splits.get(state.split)
      if (entry !== undefined) entry.state = state
    }
  }
}
