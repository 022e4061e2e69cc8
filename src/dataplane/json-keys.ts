import { failure, scanString, skipSpace } from './json-values.ts'

export const NO_COLUMN = -1

const BROKEN = failure('broken JSON')
const QUOTE = 0x22
const COLON = 0x3a
/** Keys that no column asks for are learnt too, up to this many; further ones take the slow way. */
const KEYS_MAX = 256

/**
 * Finds the column of a key. Rows of one topic have their keys in one order, so the key that followed the last one in
 * the row before is tried first, by comparing bytes; only a change of order goes through a lookup.
 */
export class JsonKeys {
  /** Index of the key that `match` found; columns come first, learnt keys after them, `KEYS_MAX` for any other. */
  matched: number = NO_COLUMN
  readonly #indexes = new Map<string, number>()
  /** `"name":` of each key. */
  readonly #patterns: Uint8Array[] = []
  /** The key that followed key `i - 1` last time; entry 0 is for the first key of a row. */
  readonly #following = new Int32Array(KEYS_MAX + 2).fill(NO_COLUMN)
  readonly #seen = new Int32Array(KEYS_MAX + 1)
  #stamp = 0

  constructor(names: readonly string[]) {
    for (const name of names) this.#learn(name)
  }

  /** Begins a row and returns its stamp for `isSeen`. */
  beginRow(): number {
    this.matched = NO_COLUMN
    this.#stamp = (this.#stamp + 1) | 0
    return this.#stamp
  }

  /** True when the key was seen in this row before; from now on it is. */
  isSeen(key: number, stamp: number): boolean {
    if (key === KEYS_MAX) return false
    if (this.#seen[key] === stamp) return true
    this.#seen[key] = stamp
    return false
  }

  wasSeen(key: number, stamp: number): boolean {
    return this.#seen[key] === stamp
  }

  /** Reads the key at `at`, sets `matched` and returns the place behind the colon, or a complemented reason. */
  match(bytes: Uint8Array, at: number): number {
    const predicted = this.#following[this.matched + 1]!
    const pattern = this.#patterns[predicted]
    if (pattern !== undefined) {
      const length = pattern.length
      let index = 0
      while (index < length && bytes[at + index] === pattern[index]) index++
      if (index === length) {
        this.matched = predicted
        return at + length
      }
    }
    return this.#lookUp(bytes, at)
  }

  #lookUp(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== QUOTE) return BROKEN
    const end = scanString(bytes, at)
    if (end < 0) return end
    const colon = skipSpace(bytes, end)
    if (bytes[colon] !== COLON) return BROKEN
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('utf8')
    const name: string = JSON.parse(text)
    const key = this.#indexes.get(name) ?? this.#learn(name)
    this.#following[this.matched + 1] = key
    this.matched = key
    return colon + 1
  }

  #learn(name: string): number {
    const key = this.#patterns.length
    if (key >= KEYS_MAX) return KEYS_MAX
    this.#indexes.set(name, key)
    this.#patterns.push(Buffer.from(`${JSON.stringify(name)}:`))
    return key
  }
}
