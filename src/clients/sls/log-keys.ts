/** Keys beyond this many are not remembered. */
const KEYS_MAX = 4096

/** Bytes that are compared at once. */
const WORD = 4

/** Any key that is not remembered. */
export const UNKNOWN_KEY = -1

/**
 * Numbers the keys of logs. Logs of one shard have their keys in one order, so the key that followed the last one in the
 * log before is tried first by comparing bytes; only a change of order goes through a lookup.
 */
export class LogKeys {
  /** Keys by their number; those that were given to the constructor come first, in order. */
  readonly names: Buffer[] = []
  /** The key that followed key `i - 1` last time; entry 0 is for the first key of a log. */
  readonly #following = new Int32Array(KEYS_MAX + 1).fill(UNKNOWN_KEY)
  readonly #starts = new Int32Array(KEYS_MAX + 1)
  #bytes: Buffer = Buffer.allocUnsafeSlow(1024)
  #words: DataView = new DataView(this.#bytes.buffer)
  readonly #numbers = new Map<string, number>()

  constructor(names: readonly string[]) {
    for (const name of names) this.#learn(Buffer.from(name))
  }

  /**
   * The number of the key at these bytes, which came after key `previous` (`UNKNOWN_KEY` for the first of a log). `view`
   * is of the same bytes, which have some more behind the key.
   */
  find(bytes: Buffer, view: DataView, from: number, to: number, previous: number): number {
    const guess = this.#following[previous + 1]!
    if (guess >= 0) {
      const start = this.#starts[guess]!
      const length = to - from
      if (this.#starts[guess + 1]! - start === length) {
        const known = this.#words
        let at = 0
        while (at + WORD <= length && known.getInt32(start + at, true) === view.getInt32(from + at, true)) at += WORD
        // What is left of a last word is moved to its top, where nothing is compared that lies behind the key.
        const rest = length - at
        if (rest === 0) return guess
        if (rest < WORD) {
          const difference = known.getInt32(start + at, true) ^ view.getInt32(from + at, true)
          if (difference << (8 * (WORD - rest)) === 0) return guess
        }
      }
    }
    return this.#lookUp(bytes, from, to, previous)
  }

  #lookUp(bytes: Buffer, from: number, to: number, previous: number): number {
    // Latin-1 keeps every byte, also of keys that are no text.
    const number = this.#numbers.get(bytes.toString('latin1', from, to)) ?? this.#learn(bytes.subarray(from, to))
    this.#following[previous + 1] = number
    return number
  }

  #learn(name: Buffer): number {
    const number = this.names.length
    if (number >= KEYS_MAX) return UNKNOWN_KEY
    const start = this.#starts[number]!
    const end = start + name.length
    if (end + WORD > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow((end + WORD) * 2)
      this.#bytes.copy(larger)
      this.#bytes = larger
      this.#words = new DataView(larger.buffer)
    }
    name.copy(this.#bytes, start)
    this.#starts[number + 1] = end
    this.names.push(Buffer.from(name))
    this.#numbers.set(name.toString('latin1'), number)
    return number
  }
}
