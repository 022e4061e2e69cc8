import type { Clock } from '../core/context.ts'
import { checkpointPauseMs, FIRST_CHECKPOINT_MS } from '../checkpoint/schedule.ts'

/** Rings when the next checkpoint is due: soon after the first rows of a run, then at growing pauses. */
export class CheckpointTimer {
  readonly #intervalMs: number
  readonly #clock: Pick<Clock, 'now' | 'after'>
  readonly #ring: () => void
  #ordinal = 0
  #lastBarrier = -Infinity
  #cancel: (() => void) | undefined
  #isClosed = false

  constructor(intervalMs: number, clock: Pick<Clock, 'now' | 'after'>, ring: () => void) {
    this.#intervalMs = intervalMs
    this.#clock = clock
    this.#ring = ring
  }

  /** Rows have arrived: a checkpoint is due when the pause since the last barrier is over, at once if it long is. */
  rowsArrived(): void {
    if (this.#cancel !== undefined) return
    const pause = checkpointPauseMs(this.#ordinal, this.#intervalMs)
    // A clock that was set back says that the last barrier is still to come: then the whole pause is waited, not years.
    const since = Math.max(0, this.#clock.now() - this.#lastBarrier)
    this.#set(Math.max(pause - since, Math.min(FIRST_CHECKPOINT_MS, pause)))
  }

  barrierSent(): void {
    this.#ordinal += 1
    this.#lastBarrier = this.#clock.now()
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
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** For good: what still comes in while a run is being closed must not keep the process alive. */
  close(): void {
    this.#isClosed = true
    this.stop()
  }

  #set(ms: number): void {
    if (this.#isClosed) return
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined
      this.#ring()
    })
  }
}
