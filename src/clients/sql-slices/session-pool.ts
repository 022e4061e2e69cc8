import type { SliceDialect, SliceSession } from './dialect.ts'

/** Connections that are used one after the other; at most so many are in use at a time. */
export class SessionPool {
  readonly #dialect: SliceDialect
  readonly #free: SliceSession[] = []
  readonly #waiting: (() => void)[] = []
  #left: number
  #isClosed = false

  constructor(dialect: SliceDialect, sessionsMax: number) {
    this.#dialect = dialect
    this.#left = sessionsMax
  }

  /** Does something with a connection, as soon as one may be had. */
  async use<T>(work: (session: SliceSession) => Promise<T>): Promise<T> {
    if (this.#left > 0) this.#left--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      const session = (await this.#idle()) ?? (await this.#dialect.connect())
      try {
        return await work(session)
      } finally {
        if (session.isUsable && !this.#isClosed) this.#free.push(session)
        else await session[Symbol.asyncDispose]()
      }
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#left++
      else next()
    }
  }

  /** One that was used before and is still whole. */
  async #idle(): Promise<SliceSession | undefined> {
    for (let session = this.#free.pop(); session !== undefined; session = this.#free.pop()) {
      if (session.isUsable) return session
      await session[Symbol.asyncDispose]()
    }
    return undefined
  }

  /** Ends the connections that nobody uses; the others end with their use. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#free.splice(0).map(async (session) => await session[Symbol.asyncDispose]()))
  }
}
