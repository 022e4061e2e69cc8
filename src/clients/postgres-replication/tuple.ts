/** A value that is NULL, and one that was stored out of line, was not changed, and is not in the message. */
export const NULL = -1
export const UNCHANGED = -2

const TEXT = 0x74 // t
const MISSING = 0x75 // u

/** Where the values of one row lie in the bytes of its message. Used again for every row. */
export class Tuple {
  count = 0
  /** Place of the value's first byte, or `NULL` or `UNCHANGED`. */
  starts: Int32Array = new Int32Array(64)
  ends: Int32Array = new Int32Array(64)
  hasUnchanged = false

  /** Reads TupleData of pgoutput; returns the place behind it. */
  readTupleData(bytes: Buffer, from: number): number {
    const count = this.#begin(bytes.readInt16BE(from))
    const { starts, ends } = this
    let at = from + 2
    for (let column = 0; column < count; column++) {
      const kind = bytes[at++]
      if (kind === TEXT) {
        const length = bytes.readInt32BE(at)
        at += 4
        starts[column] = at
        at += length
        ends[column] = at
      } else {
        starts[column] = kind === MISSING ? UNCHANGED : NULL
        this.hasUnchanged ||= kind === MISSING
      }
    }
    return at
  }

  /** Reads a DataRow of a SELECT, whose values are the same texts. */
  readDataRow(bytes: Buffer, from: number): void {
    const count = this.#begin(bytes.readInt16BE(from))
    const { starts, ends } = this
    let at = from + 2
    for (let column = 0; column < count; column++) {
      const length = bytes.readInt32BE(at)
      at += 4
      starts[column] = length < 0 ? NULL : at
      if (length > 0) at += length
      ends[column] = at
    }
  }

  /** Takes the values that are missing here from the row as it was before. */
  fillFrom(old: Tuple): void {
    if (!this.hasUnchanged) return
    this.hasUnchanged = false
    for (let column = 0; column < this.count; column++) {
      if (this.starts[column] !== UNCHANGED) continue
      const start = old.starts[column] ?? UNCHANGED
      this.starts[column] = start
      this.ends[column] = old.ends[column] ?? 0
      this.hasUnchanged ||= start === UNCHANGED
    }
  }

  /** Whether a column has the same text in both. */
  isSame(column: number, old: Tuple, bytes: Buffer): boolean {
    const start = this.starts[column] ?? NULL
    const oldStart = old.starts[column] ?? NULL
    if (start < 0 || oldStart < 0) return start === oldStart
    return bytes.compare(bytes, oldStart, old.ends[column] ?? oldStart, start, this.ends[column] ?? start) === 0
  }

  text(column: number, bytes: Buffer): string | null {
    const start = this.starts[column] ?? NULL
    return start < 0 ? null : bytes.toString('utf8', start, this.ends[column])
  }

  #begin(count: number): number {
    this.count = count
    this.hasUnchanged = false
    if (count > this.starts.length) {
      this.starts = new Int32Array(count * 2)
      this.ends = new Int32Array(count * 2)
    }
    return count
  }
}
