/** Keys beyond this many are not remembered. */
const KEYS_MAX = 4096

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
  readonly #numbers = new Map<string, number>()

  constructor(names: readonly string[]) {
    for (const name of names) this.#learn(Buffer.from(name))
  }

  /** The number of the key at these bytes, which came after key `previous` (`UNKNOWN_KEY` for the first of a log). */
  find(bytes: Buffer, from: number, to: number, previous: number): number {
    const guess = this.#following[previous + 1]!
    if (guess >= 0) {
      const start = this.#starts[guess]!
      const length = to - from
      if (this.#starts[guess + 1]! - start === length) {
        const known = this.#bytes
        let at = 0
        while (at < length && known[start + at] === bytes[from + at]) at++
        if (at === length) return guess
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
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(end * 2)
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    name.copy(this.#bytes, start)
    this.#starts[number + 1] = end
    this.names.push(Buffer.from(name))
    this.#numbers.set(name.toString('latin1'), number)
    return number
  }
}
