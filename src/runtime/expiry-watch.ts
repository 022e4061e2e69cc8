import { mostUrgent, shortest, type Aging, type PartDowntime } from '../checkpoint/expiry.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { Clock, Logger } from '../core/context.ts'
import type { JobEvent, JobObserver } from './observer.ts'

const LOOK_MS = 60_000

export interface ExpiryWatchOptions {
  /** What the systems told about themselves when the job was started. */
  readonly parts: readonly PartDowntime[]
  /** When the oldest checkpoint was published that an earlier process left pending. */
  readonly pendingMs: number | undefined
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly logger: Logger
  readonly observe: JobObserver
}

/**
 * Says when a running job could not confirm for half of the time after which something expires. It lives as long as the
 * process, over all restarts of the job in it, and only looks.
 */
export class ExpiryWatch {
  readonly #options: ExpiryWatchOptions
  /** When each checkpoint was published that is not confirmed, oldest first. */
  readonly #unconfirmed = new Map<CheckpointId, number>()
  readonly #lookMs: number
  #told: Aging['state'] = 'fine'
  #cancel: () => void = () => undefined

  constructor(options: ExpiryWatchOptions) {
    this.#options = options
    const { parts, pendingMs, observe } = options
    const limit = shortest(parts)
    this.#lookMs = Math.min(LOOK_MS, Math.max(100, (limit?.ms ?? 0) / 20))
    if (limit === undefined) return
    if (pendingMs !== undefined) this.#unconfirmed.set(0, pendingMs)
    observe({ kind: 'safe-downtime', parts })
    this.look()
    this.#lookLater()
  }

  see(event: JobEvent): void {
    if (event.kind === 'published') this.#unconfirmed.set(event.checkpoint, this.#options.clock.now())
    // A restore confirms whatever an earlier run of the job had published.
    if (event.kind === 'restored') this.#unconfirmed.clear()
    if (event.kind === 'confirmed') {
      for (const checkpoint of this.#unconfirmed.keys()) {
        if (checkpoint <= event.checkpoint) this.#unconfirmed.delete(checkpoint)
      }
    }
    if (event.kind === 'restored' || event.kind === 'confirmed') this.look()
  }

  look(): void {
    const { parts, clock, logger, observe } = this.#options
    const [pendingMs] = this.#unconfirmed.values()
    const aging = mostUrgent(parts, { pendingMs, downMs: undefined }, clock.now())
    const state = aging?.state ?? 'fine'
    if (state === this.#told) return
    this.#told = state
    if (aging === undefined || state === 'fine') {
      observe({ kind: 'expiring', what: undefined })
      return logger.info('what was about to expire is confirmed')
    }
    observe({ kind: 'expiring', what: aging })
    const { part, what, ms, usedMs } = aging
    const seconds = (time: number): string => `${Math.round(time / 1000)} s`
    logger.warn(
      state === 'half'
        ? `nothing was confirmed for ${seconds(usedMs)}: ${what} of ${part} go after ${seconds(ms)}, and with them the rows that wait`
        : `nothing was confirmed for ${seconds(usedMs)}, and ${what} of ${part} live ${seconds(ms)}: they may be gone`,
      { part, usedMs, safeMs: ms },
    )
  }

  close(): void {
    this.#cancel()
  }

  #lookLater(): void {
    this.#cancel = this.#options.clock.after(this.#lookMs, () => {
      this.look()
      this.#lookLater()
    })
  }
}
