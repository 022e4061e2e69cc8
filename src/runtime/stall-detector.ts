export interface StallLimits {
  /** No movement for this long is a stall: twice the checkpoint interval and the checkpoint timeout. */
  readonly limitMs: number
}

/** What stands still: rows wait at the source and none comes through, or rows came through and none becomes visible. */
export type Stall = 'reading' | 'committing'

/** Finds out that a job runs and nothing moves. Fed with what is seen, asked from time to time; keeps no timer. */
export class StallDetector {
  readonly #limitMs: number
  #rows = 0
  /** When rows last moved, or the last moment at which there was nothing to move. */
  #readingSince: number
  /** When the oldest row that is not confirmed may have been read. */
  #unconfirmedSince: number | undefined

  constructor(limits: StallLimits, now: number) {
    this.#limitMs = limits.limitMs
    this.#readingSince = now
  }

  /** Rows that passed any step since the start. */
  passed(rows: number, now: number): void {
    if (rows <= this.#rows) return
    this.#rows = rows
    this.#readingSince = now
    this.#unconfirmedSince ??= now
  }

  /** Rows that came after the confirmed checkpoint may wait from now on at the earliest. */
  confirmed(isEverything: boolean, now: number): void {
    this.#unconfirmedSince = isEverything ? undefined : now
  }

  /** `lag` in records over all sources; `undefined` when no source can tell. */
  look(lag: number | undefined, now: number): Stall | undefined {
    if (lag === undefined || lag === 0) this.#readingSince = now
    if (this.#unconfirmedSince !== undefined && now - this.#unconfirmedSince > this.#limitMs) return 'committing'
    return now - this.#readingSince > this.#limitMs ? 'reading' : undefined
  }
}
