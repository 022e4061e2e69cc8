import { checkpointPauseMs, FIRST_CHECKPOINT_MS } from '../checkpoint/schedule.ts'

/** Rings when the next checkpoint is due: soon after the first rows of a run, then at growing pauses. */
export class CheckpointTimer {
  readonly #intervalMs: number
  readonly #now: () => number
  readonly #ring: () => void
  #ordinal = 0
  #lastBarrier = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(intervalMs: number, now: () => number, ring: () => void) {
    this.#intervalMs = intervalMs
    this.#now = now
    this.#ring = ring
  }

  /** Rows have arrived: a checkpoint is due when the pause since the last barrier is over, at once if it long is. */
  rowsArrived(): void {
    if (this.#timer !== undefined) return
    const pause = checkpointPauseMs(this.#ordinal, this.#intervalMs)
    const since = this.#now() - this.#lastBarrier
    this.#set(Math.max(pause - since, Math.min(FIRST_CHECKPOINT_MS, pause)))
  }

  barrierSent(): void {
    this.#ordinal += 1
    this.#lastBarrier = this.#now()
    this.stop()
  }

  /** Nothing could be cut now (too much is unconfirmed): ask again soon. */
  again(): void {
    this.stop()
    this.#set(FIRST_CHECKPOINT_MS)
  }

  /** After a rewind freshness counts again as after a start. */
  restart(): void {
    this.stop()
    this.#ordinal = 0
    this.#lastBarrier = -Infinity
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #set(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#ring()
    }, ms)
  }
}
