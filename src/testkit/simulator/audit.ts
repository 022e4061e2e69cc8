/** One row of the model source. */
export interface Row {
  readonly split: string
  readonly seq: number
}

/** Under which checkpoint rows were written. */
export interface Origin {
  readonly epoch: number
  readonly checkpoint: number
  /** Of rows that were loaded again. */
  readonly attempt?: number
}

/**
 * What must hold at every moment, checked as it happens: rows become visible in the order of their split, each once, and
 * only under a checkpoint that the log holds.
 */
export class Audit {
  readonly violations: string[] = []
  readonly #next = new Map<string, number>()
  /** How far a split had been visible before an operator went back. */
  readonly #before = new Map<string, number>()
  #showsAtOnce = false
  readonly #isPublished: (origin: Origin) => boolean

  constructor(isPublished: (origin: Origin) => boolean) {
    this.#isPublished = isPublished
  }

  /** Readers of a sink see these rows from now on. */
  becameVisible(rows: readonly Row[], origin: Origin): void {
    const { epoch, checkpoint } = origin
    if (!this.#isPublished(origin)) {
      this.violation(
        `${rows.length} rows of checkpoint ${checkpoint} (epoch ${epoch}) are visible before it is published`,
      )
    }
    for (const { split, seq } of rows) {
      const next = this.#next.get(split) ?? 0
      if (seq < next) this.violation(`row ${seq} of ${split} is visible twice`)
      else if (seq > next) this.violation(`rows ${next} to ${seq - 1} of ${split} are missing before ${seq}`)
      this.#next.set(split, Math.max(next, seq + 1))
    }
  }

  /** Rows of a sink that shows them as they come, and again after a restart: none may be left out. */
  arrived(rows: readonly Row[]): void {
    this.#showsAtOnce = true
    for (const { split, seq } of rows) {
      const next = this.#next.get(split) ?? 0
      if (seq > next) this.violation(`rows ${next} to ${seq - 1} of ${split} are missing before ${seq}`)
      this.#next.set(split, Math.max(next, seq + 1))
    }
  }

  /** An operator gave these rows up: they are not missed, and must not come later. */
  givenUp(rows: readonly Row[]): void {
    for (const { split, seq } of rows) this.#next.set(split, Math.max(this.#next.get(split) ?? 0, seq + 1))
  }

  /**
   * An operator went back: rows from these on come once more; fewer of them where he had gone back further before. A table
   * that shows rows as they come keeps what it has. Returns what takes this back.
   */
  wentBack(to: (split: string) => number): () => void {
    if (this.#showsAtOnce) return () => undefined
    const was = new Map(this.#next)
    for (const split of was.keys()) {
      const furthest = this.furthest(split)
      this.#before.set(split, furthest)
      this.#next.set(split, Math.min(furthest, to(split)))
    }
    return () => {
      for (const [split, next] of was) this.#next.set(split, next)
    }
  }

  /** At the end: everything that the source holds is there. */
  complete(rowsOf: ReadonlyMap<string, number>): void {
    for (const [split, rows] of rowsOf) {
      const next = this.#next.get(split) ?? 0
      if (next !== rows) this.violation(`${split} holds ${rows} rows, ${next} of them are visible`)
    }
  }

  visible(split: string): number {
    return this.#next.get(split) ?? 0
  }

  /** What was visible once, also if it has to come again. */
  furthest(split: string): number {
    return Math.max(this.visible(split), this.#before.get(split) ?? 0)
  }

  violation(what: string): void {
    this.violations.push(what)
  }
}
