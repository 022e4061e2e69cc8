import type { Clock, CheckpointTimes, Logger } from '../core/context.ts'
import type { SplitProgress } from './messages.ts'
import type { JobEvent, JobObserver } from './observer.ts'
import { StallDetector, type Stall } from './stall-detector.ts'

const LAG_POLL_MS = 5000
/** Retention is counted in hours, and asking takes a call for each split. */
const HEADROOM_POLL_MS = 60_000
/** A server that answers late must not hold the watch up for ever. */
const LAG_WAIT_MS = 10_000

/** Asks sources for their lag, given the newest positions of their splits. */
export type AskLag = (live: (source: string) => readonly SplitProgress[]) => Promise<Readonly<Record<string, number>>>

/** Asks sources how many seconds they still keep what the last published checkpoint goes on with. */
export type AskHeadroom = () => Promise<Readonly<Record<string, number>>>

/**
 * Stands between a job and its observer: polls the lag of the sources and says when the job stands still although there
 * is something to do. It only looks; nothing waits for it.
 */
export class ProgressWatch {
  readonly #observer: JobObserver
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #limitMs: number
  readonly #stalls: StallDetector
  readonly #closing = new AbortController()
  readonly #positions = new Map<number, Readonly<Record<string, readonly SplitProgress[]>>>()
  readonly #rows = new Map<number, number>()
  #published = 0
  #stalled: Stall | undefined
  #waitNoLonger: () => void = () => undefined

  constructor(observer: JobObserver, clock: Clock, logger: Logger, times: CheckpointTimes) {
    this.#observer = observer
    this.#clock = clock
    this.#logger = logger
    this.#limitMs = 2 * times.intervalMs + times.timeoutMs
    this.#stalls = new StallDetector({ limitMs: this.#limitMs }, clock.now())
  }

  /** Hands an event on. */
  readonly observe: JobObserver = (event) => {
    this.#see(event)
    this.#observer(event)
  }

  /** Polls until the watch is closed. Never rejects. */
  async poll(askLag: AskLag, askHeadroom: AskHeadroom = async () => ({})): Promise<void> {
    const { signal } = this.#closing
    let headroomAt = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      const records = await this.#within(askLag((source) => this.#live(source)))
      if (signal.aborted) return
      if (records !== undefined && Object.keys(records).length > 0) this.observe({ kind: 'lag', records })
      this.#look(records)
      if (this.#clock.now() - headroomAt >= HEADROOM_POLL_MS) {
        headroomAt = this.#clock.now()
        const seconds = await this.#within(askHeadroom())
        if (signal.aborted) return
        if (seconds !== undefined && Object.keys(seconds).length > 0) this.observe({ kind: 'headroom', seconds })
      }
      await this.#clock.sleep(LAG_POLL_MS, signal)
    }
  }

  close(): void {
    this.#closing.abort()
    this.#waitNoLonger()
  }

  #see(event: JobEvent): void {
    const now = this.#clock.now()
    if (event.kind === 'published') this.#published = event.checkpoint
    if (event.kind === 'confirmed') this.#stalls.confirmed(event.checkpoint === this.#published, now)
    // What was open is read again from the last published position.
    if (event.kind === 'started') this.#positions.clear()
    if (event.kind !== 'lane' || event.message.kind !== 'progress') return
    const { steps, positions } = event.message
    this.#positions.set(event.lane, positions)
    let rows = 0
    for (const id in steps) rows += steps[id]?.rows ?? 0
    this.#rows.set(event.lane, rows)
    let all = 0
    for (const some of this.#rows.values()) all += some
    this.#stalls.passed(all, now)
  }

  #live(source: string): readonly SplitProgress[] {
    return [...this.#positions.values()].flatMap((positions) => positions[source] ?? [])
  }

  #look(records: Readonly<Record<string, number>> | undefined): void {
    const lags = Object.values(records ?? {})
    const lag = lags.length === 0 ? undefined : lags.reduce((a, b) => a + b, 0)
    const stalled = this.#stalls.look(lag, this.#clock.now())
    if (stalled === this.#stalled) return
    this.#stalled = stalled
    this.observe({ kind: 'stall', what: stalled })
    if (stalled === undefined) return this.#logger.info('the job moves again')
    const seconds = Math.round(this.#limitMs / 1000)
    this.#logger.warn(
      stalled === 'reading'
        ? `the job stands still: ${lag} records wait at the source, and none came through for ${seconds} s`
        : `the job stands still: rows were read, and no checkpoint was confirmed for ${seconds} s`,
      { stalled, lag: lag ?? null },
    )
  }

  async #within<T>(work: Promise<T>): Promise<T | undefined> {
    const late = Promise.withResolvers<undefined>()
    const cancel = this.#clock.after(LAG_WAIT_MS, () => late.resolve(undefined))
    this.#waitNoLonger = () => late.resolve(undefined)
    try {
      return await Promise.race([work.catch(() => undefined), late.promise])
    } finally {
      cancel()
    }
  }
}
