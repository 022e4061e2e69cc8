import { failure, scanString, skipSpace } from './json-values.ts'

export const NO_COLUMN = -1

const BROKEN = failure('broken JSON')
const QUOTE = 0x22
const COLON = 0x3a
/** Keys that no column asks for are learnt too, up to this many; further ones take the slow way. */
const LEARNT_KEYS_MAX = 256

/**
 * Finds the column of a key. Rows of one topic have their keys in one order, so the key that followed the last one in
 * the row before is tried first by comparing bytes (`JsonLinesScanner` does it); only a change of order goes through a lookup.
 */
export class JsonKeys {
  /** Index of the key that `lookUp` found; columns come first, learnt keys after them, `max` for any other. */
  found: number = NO_COLUMN
  /** The key that followed key `i - 1` last time; entry 0 is for the first key of a row. */
  readonly following: Int32Array
  /** `"name":` of all keys, one behind the other. */
  patterns: Uint8Array = new Uint8Array(1024)
  /** Where the pattern of each key begins; the entry behind the last one is its end. */
  readonly starts: Int32Array
  /** The index that stands for all keys which are neither columns nor learnt. */
  readonly max: number
  readonly #indexes = new Map<string, number>()
  #count = 0

  constructor(names: readonly string[]) {
    this.max = names.length + LEARNT_KEYS_MAX
    this.following = new Int32Array(this.max + 2)
    this.starts = new Int32Array(this.max + 2)
    for (const name of names) this.#learn(name)
  }

  /**
   * Reads the key at `at`, which came after key `previous`, the slow way: sets `found` and returns the place behind the
   * colon, or a complemented reason.
   */
  lookUp(bytes: Uint8Array, at: number, previous: number): number {
    if (bytes[at] !== QUOTE) return BROKEN
    const end = scanString(bytes, at)
    if (end < 0) return end
    const colon = skipSpace(bytes, end)
    if (bytes[colon] !== COLON) return BROKEN
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('utf8')
    const name: string = JSON.parse(text)
    const key = this.#indexes.get(name) ?? this.#learn(name)
    this.following[previous + 1] = key === this.max ? 0 : key
    this.found = key
    return colon + 1
  }

  #learn(name: string): number {
    const key = this.#count
    if (key >= this.max) return this.max
    const pattern = Buffer.from(`${JSON.stringify(name)}:`)
    const start = this.starts[key]!
    const end = start + pattern.length
    if (end > this.patterns.length) {
      const larger = new Uint8Array(end * 2)
      larger.set(this.patterns)
      this.patterns = larger
    }
    this.patterns.set(pattern, start)
    this.starts[key + 1] = end
    this.#indexes.set(name, key)
    this.#count++
    return key
  }
}
