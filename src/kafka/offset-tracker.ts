/**
 * Which messages of a partition are handled. They may be handled in any order; the position is the first one that is not,
 * and never goes beyond it.
 */
export class OffsetTracker {
  /** Where a reader has to go on when this one ends now. */
  position: bigint
  /** Offsets in rising order from `#head` on; handled ones stay until those before them are handled too. */
  #offsets: bigint[] = []
  readonly #handled = new Set<bigint>()
  #head = 0

  constructor(position: bigint) {
    this.position = position
  }

  /** How many are received and not handled. */
  get open(): number {
    return this.#offsets.length - this.#head - this.#handled.size
  }

  received(offset: bigint): void {
    this.#offsets.push(offset)
  }

  /** One message is handled. */
  handled(offset: bigint): void {
    this.#handled.add(offset)
    this.#advance()
  }

  /** This one and all before it are. */
  handledUpTo(offset: bigint): void {
    for (let at = this.#head; at < this.#offsets.length; at++) {
      const one = this.#offsets[at]
      if (one === undefined || one > offset) break
      this.#handled.add(one)
    }
    this.#advance()
  }

  #advance(): void {
    for (;;) {
      const first = this.#offsets[this.#head]
      if (first === undefined || !this.#handled.delete(first)) break
      this.position = first + 1n
      this.#head++
    }
    if (this.#head < 1024 || this.#head * 2 < this.#offsets.length) return
    this.#offsets = this.#offsets.slice(this.#head)
    this.#head = 0
  }

  /** There are no messages before `offset` that were not received: markers of transactions and gaps are behind us. */
  passed(offset: bigint): void {
    if (this.#head === this.#offsets.length && offset > this.position) this.position = offset
  }
}
