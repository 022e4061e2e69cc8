import { isAscii } from 'node:buffer'
import { isNullAt, type RecordTarget } from '../clients/kafka/index.ts'
import { decodeJson, isPlainJson } from '../core/exact-json.ts'

/**
 * The values of a chunk as JSON. Where each byte is a character they become one string when the first is asked for, whose
 * numbers are looked at once: a string for each value takes longer than parsing it, when it is short.
 */
export class ChunkJson {
  readonly #records: RecordTarget
  /** `undefined`: not made yet. `null`: characters are not bytes. */
  #text: string | null | undefined
  #isPlain = false

  constructor(records: RecordTarget) {
    this.#records = records
  }

  /** `null` for a null value. */
  value(row: number): unknown {
    const { buffer, ends, nulls } = this.#records
    if (nulls !== undefined && isNullAt({ nulls }, row)) return null
    const from = row === 0 ? 0 : (ends[row - 1] ?? 0) + 1
    const text = this.#text === undefined ? this.#decode() : this.#text
    if (text === null) return decodeJson(buffer.subarray(from, ends[row]))
    // Parts of a string hold on to the whole of it; what is parsed of them does not.
    const part = text.slice(from, ends[row])
    return this.#isPlain ? JSON.parse(part) : decodeJson(part)
  }

  #decode(): string | null {
    const { buffer, length } = this.#records
    const text = isAscii(buffer.subarray(0, length)) ? buffer.toString('latin1', 0, length) : null
    this.#isPlain = text !== null && isPlainJson(text)
    return (this.#text = text)
  }
}
