/** Numbers that look random and come again with the same seed (mulberry32). */
export class Chance {
  readonly seed: number
  #state: number

  constructor(seed: number) {
    this.seed = seed
    this.#state = seed >>> 0
  }

  /** `MILLRACE_SEED` repeats a run; otherwise every run is another one. Tests print it. */
  static ofThisRun(): Chance {
    return new Chance(Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31)))
  }

  /** At least 0, below `limit`, whole. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  /** So many of them, in an order of its own. */
  sample<T>(from: readonly T[], count: number): T[] {
    const left = [...from]
    const taken: T[] = []
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.below(left.length), 1))
    return taken
  }
}
