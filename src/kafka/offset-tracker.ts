/** Offsets in rising order, in the first `count` places. */
interface Received {
  readonly offsets: BigInt64Array
  readonly count: number
}

/**
 * Which messages of a partition are handled. They may be handled in any order; the position is the first one that is not,
 * and never goes beyond it.
 */
export class OffsetTracker {
  /** Where a reader has to go on when this one ends now. */
  position: bigint
  /** What is received from `#row` of the first one on; handled ones stay until those before them are handled too. */
  readonly #received: Received[] = []
  readonly #handled = new Set<bigint>()
  #row = 0
  #waiting = 0

  constructor(position: bigint) {
    this.position = position
  }

  /** How many are received and not handled. */
  get open(): number {
    return this.#waiting - this.#handled.size
  }

  /** Takes the first `count` offsets, which stay as they are. */
  received(offsets: BigInt64Array, count: number): void {
    if (count === 0) return
    this.#received.push({ offsets, count })
    this.#waiting += count
  }

  /** One message is handled. */
  handled(offset: bigint): void {
    if (offset !== this.#head()) this.#handled.add(offset)
    else {
      this.#pass(offset)
      for (let next = this.#head(); next !== undefined && this.#handled.delete(next); next = this.#head())
        this.#pass(next)
    }
  }

  /** This one and all before it are. */
  handledUpTo(offset: bigint): void {
    for (let next = this.#head(); next !== undefined && next <= offset; next = this.#head()) {
      this.#handled.delete(next)
      this.#pass(next)
    }
    for (let next = this.#head(); next !== undefined && this.#handled.delete(next); next = this.#head())
      this.#pass(next)
  }

  #head(): bigint | undefined {
    return this.#received[0]?.offsets[this.#row]
  }

  #pass(head: bigint): void {
    this.position = head + 1n
    this.#waiting--
    if (++this.#row < (this.#received[0]?.count ?? 0)) return
    this.#received.shift()
    this.#row = 0
  }

  /** There are no messages before `offset` that were not received: markers of transactions and gaps are behind us. */
  passed(offset: bigint): void {
    if (this.#waiting === 0 && offset > this.position) this.position = offset
  }
}
