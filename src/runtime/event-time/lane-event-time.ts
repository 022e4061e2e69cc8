import type { SplitId } from '../../core/batch.ts'

/** A step with event time, and the sources whose rows come to it. */
export interface EventTimeStep {
  readonly step: string
  readonly sources: readonly string[]
  /** Rows may be so much older than the newest of their split, in microseconds. */
  readonly delay: bigint
  /** A split without rows for so long does not hold event time back; undefined: it does for ever. */
  readonly idleMs: number | undefined
}

/**
 * What a lane knows: event time has passed a moment in all of its splits; or it waits for a split that nothing came of yet;
 * or there is no split that it would have to wait for.
 */
export type LaneTime = bigint | 'waiting' | 'idle'

interface SplitTime {
  newest: bigint | undefined
  quietMs: number
}

/**
 * Event time in one lane. Every split has its own: rows of one may be far behind those of another, and what counts is the
 * one that is furthest behind.
 */
export class LaneEventTime {
  readonly #steps: readonly EventTimeStep[]
  readonly #splits = new Map<string, Map<string, SplitTime>>()
  #told = new Map<string, LaneTime>()
  #reading = ''

  constructor(steps: readonly EventTimeStep[]) {
    this.#steps = steps
    for (const { step } of steps) this.#splits.set(step, new Map())
  }

  /** A start or a rewind: nothing was read yet. */
  begin(): void {
    for (const splits of this.#splits.values()) splits.clear()
    this.#told.clear()
  }

  add(source: string, splits: readonly SplitId[]): void {
    for (const { step, sources } of this.#steps) {
      if (!sources.includes(source)) continue
      for (const split of splits) this.#splits.get(step)?.set(keyOf(source, split), { newest: undefined, quietMs: 0 })
    }
  }

  /** The split was read to its end, or another lane goes on with it. */
  remove(source: string, split: SplitId): void {
    for (const splits of this.#splits.values()) splits.delete(keyOf(source, split))
  }

  /** Rows of this split are on their way through the steps. */
  reading(source: string, split: SplitId): void {
    this.#reading = keyOf(source, split)
  }

  saw(step: string, micros: bigint): void {
    const split = this.#splits.get(step)?.get(this.#reading)
    if (split === undefined) return
    split.quietMs = 0
    if (split.newest === undefined || micros > split.newest) split.newest = micros
  }

  /** Time went by in which the lane could have read, and every split from which nothing came was quiet. */
  passed(ms: number): void {
    for (const splits of this.#splits.values()) for (const split of splits.values()) split.quietMs += ms
  }

  /** What changed since the last call, by step. */
  report(): ReadonlyMap<string, LaneTime> {
    const changed = new Map<string, LaneTime>()
    for (const step of this.#steps) {
      const time = this.#timeOf(step)
      if (this.#told.get(step.step) !== time) changed.set(step.step, time)
    }
    for (const [step, time] of changed) this.#told.set(step, time)
    return changed
  }

  #timeOf({ step, delay, idleMs }: EventTimeStep): LaneTime {
    let least: bigint | undefined
    for (const { newest, quietMs } of this.#splits.get(step)?.values() ?? []) {
      if (idleMs !== undefined && quietMs >= idleMs) continue
      if (newest === undefined) return 'waiting'
      if (least === undefined || newest < least) least = newest
    }
    return least === undefined ? 'idle' : least - delay
  }
}

function keyOf(source: string, split: SplitId): string {
  return `${source}\n${split}`
}
