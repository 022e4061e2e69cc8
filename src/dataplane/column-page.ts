/**
 * The values of one column as a data page of Parquet in its plainest form: one bit for each row that has a value, and
 * the values one behind the other (encoding PLAIN). Memory is used again after `reset`.
 * Source: apache/parquet-format Encodings.md.
 */
export class ColumnPage {
  /** Rows, with those that are NULL. */
  rows = 0
  /** Bytes of values. */
  length = 0
  data: Buffer = Buffer.allocUnsafeSlow(16 * 1024)
  view: DataView = new DataView(this.data.buffer)
  #present = new Uint8Array(1024)
  #nulls = 0

  reset(): void {
    this.rows = 0
    this.length = 0
    this.#nulls = 0
    this.#present.fill(0)
  }

  /** Makes room for `bytes` more bytes of values. */
  reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.data.length) return
    const larger = Buffer.allocUnsafeSlow(needed * 2)
    this.data.copy(larger, 0, 0, this.length)
    this.data = larger
    this.view = new DataView(larger.buffer)
  }

  /** Makes room for `rows` more calls of `addNull` and `addPresent`. */
  reserveRows(rows: number): void {
    const needed = (this.rows + rows + 7) >>> 3
    if (needed <= this.#present.length) return
    const larger = new Uint8Array(needed * 2)
    larger.set(this.#present)
    this.#present = larger
  }

  addNull(): void {
    this.rows++
    this.#nulls++
  }

  addPresent(): void {
    const row = this.rows++
    const at = row >>> 3
    this.#present[at] = (this.#present[at] ?? 0) | (1 << (row & 7))
  }

  /** As so many calls of `addPresent`. */
  addPresentRows(count: number): void {
    const end = this.rows + count
    while (this.rows < end && (this.rows & 7) !== 0) this.addPresent()
    const wholeEnd = end & ~7
    if (this.rows < wholeEnd) {
      this.#present.fill(0xff, this.rows >>> 3, wholeEnd >>> 3)
      this.rows = wholeEnd
    }
    while (this.rows < end) this.addPresent()
  }

  isNull(row: number): boolean {
    return ((this.#present[row >>> 3] ?? 0) & (1 << (row & 7))) === 0
  }

  /** The definition levels: their length in four bytes, then one run. */
  levels(): Buffer {
    if (this.#nulls === 0 || this.#nulls === this.rows) {
      return withLength([...varint(this.rows << 1), this.#nulls === 0 ? 1 : 0])
    }
    const groups = (this.rows + 7) >>> 3
    return withLength([...varint((groups << 1) | 1)], this.#present.subarray(0, groups))
  }
}

function withLength(head: readonly number[], rest: Uint8Array = new Uint8Array(0)): Buffer {
  const levels = Buffer.allocUnsafe(4 + head.length + rest.length)
  levels.writeUInt32LE(head.length + rest.length)
  levels.set(head, 4)
  levels.set(rest, 4 + head.length)
  return levels
}

function* varint(value: number): Generator<number> {
  let rest = value
  for (; rest > 127; rest >>>= 7) yield (rest & 127) | 128
  yield rest
}
