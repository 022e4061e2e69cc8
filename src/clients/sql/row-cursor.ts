import { hashOf } from './key-bytes.ts'

const BLANK = 0x20
const ZERO = 0x30

/** Goes through the rows of `<bytes of key> <bytes of row> <op> <key><row>\n…` without an object for each. */
export class RowCursor {
  readonly buffer: Buffer
  readonly #length: number
  /** Where the key begins, where the row behind it, and where that ends. */
  keyAt = 0
  rowAt = 0
  end = -1
  isDelete = false
  /** Of the bytes of the key. */
  hash = 0

  constructor(buffer: Buffer, length: number) {
    this.buffer = buffer
    this.#length = length
  }

  /** Moves to the next row; false behind the last one. */
  next(): boolean {
    this.#at = this.end + 1
    if (this.#at >= this.#length) return false
    const keyBytes = this.#number()
    const rowBytes = this.#number()
    this.isDelete = this.#number() === 1
    this.keyAt = this.#at
    this.rowAt = this.#at + keyBytes
    this.end = this.rowAt + rowBytes
    this.hash = hashOf(this.buffer, this.keyAt, this.rowAt)
    return true
  }

  #at = 0

  #number(): number {
    const { buffer } = this
    let value = 0
    for (let byte = buffer[this.#at++] ?? BLANK; byte !== BLANK; byte = buffer[this.#at++] ?? BLANK)
      value = value * 10 + byte - ZERO
    return value
  }
}
