export interface OnceOptions {
  /** Keys that are remembered; the oldest go first. Default 100 000. */
  readonly keysMax?: number
  /** How long a key is remembered, in milliseconds. Default one hour. */
  readonly rememberMs?: number
  /** For tests; default `Date.now`. */
  readonly now?: () => number
}

/**
 * Remembers business keys in memory, so that a message that is delivered again does nothing again. A key counts from the
 * moment its work has ended well; what is going on at the same time is waited for. Another process remembers nothing of
 * this one: for that, keep the keys in the same database transaction as the work.
 */
export class OnceByKey {
  readonly #keysMax: number
  readonly #rememberMs: number
  readonly #now: () => number
  /** In the order of remembering, with when it ends. */
  readonly #done = new Map<string, number>()
  readonly #running = new Map<string, Promise<unknown>>()

  constructor({ keysMax = 100_000, rememberMs = 3_600_000, now = Date.now }: OnceOptions = {}) {
    this.#keysMax = keysMax
    this.#rememberMs = rememberMs
    this.#now = now
  }

  get size(): number {
    return this.#done.size
  }

  /** Does the work unless it was done before. True when it was done now. */
  async run(key: string, work: () => Promise<unknown> | unknown): Promise<boolean> {
    for (let other = this.#running.get(key); other !== undefined; other = this.#running.get(key))
      await other.catch(() => undefined)
    this.#forget()
    if (this.#done.has(key)) return false
    const running = Promise.resolve().then(work)
    this.#running.set(key, running)
    try {
      await running
      this.#done.set(key, this.#now() + this.#rememberMs)
      return true
    } finally {
      this.#running.delete(key)
    }
  }

  #forget(): void {
    const now = this.#now()
    for (const [key, until] of this.#done) {
      if (until > now && this.#done.size < this.#keysMax) return
      this.#done.delete(key)
    }
  }
}
