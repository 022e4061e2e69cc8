const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * A copy of rows in which some values were replaced by strings. It is only made when the first value needs it; its
 * memory is used again for the next rows.
 */
export class RewrittenRows {
  #source: Buffer = Buffer.alloc(0)
  #target: Buffer = Buffer.alloc(0)
  #copied = 0
  #length = 0

  begin(source: Buffer): void {
    this.#source = source
    this.#copied = 0
    this.#length = 0
  }

  /** `12.5` → `"12.5"` */
  quoteNumber(start: number, end: number): void {
    this.#copyTo(start)
    this.#reserve(end - start + 2)
    this.#target[this.#length++] = QUOTE
    for (let at = start; at < end; at++) this.#target[this.#length++] = this.#source[at]!
    this.#target[this.#length++] = QUOTE
    this.#copied = end
  }

  /** `{"a":1}` → `"{\"a\":1}"` */
  quoteDocument(start: number, end: number): void {
    this.#copyTo(start)
    this.#reserve(2 * (end - start) + 2)
    this.#target[this.#length++] = QUOTE
    for (let at = start; at < end; at++) {
      const byte = this.#source[at]!
      // Tabs and carriage returns between tokens are white space; inside of a string they would be refused.
      if (byte === QUOTE || byte === BACKSLASH) this.#target[this.#length++] = BACKSLASH
      this.#target[this.#length++] = byte < 0x20 ? 0x20 : byte
    }
    this.#target[this.#length++] = QUOTE
    this.#copied = end
  }

  /** The rows up to `length` of the source: the source itself when nothing was replaced. */
  finish(length: number): { buffer: Buffer; length: number } {
    if (this.#copied === 0) return { buffer: this.#source, length }
    this.#copyTo(length)
    return { buffer: this.#target, length: this.#length }
  }

  #copyTo(end: number): void {
    this.#reserve(end - this.#copied)
    this.#length += this.#source.copy(this.#target, this.#length, this.#copied, end)
    this.#copied = end
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#target.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed * 2, this.#source.length))
    this.#target.copy(larger, 0, 0, this.#length)
    this.#target = larger
  }
}
