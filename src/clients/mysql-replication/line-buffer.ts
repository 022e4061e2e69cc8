/** Bytes that grow: lines of JSON that are gathered for one batch. */
export class LineBuffer {
  bytes: Buffer
  /** Bytes used. */
  length = 0
  rows = 0

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  /** Makes sure that `more` bytes fit behind what is there. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  clear(): void {
    this.length = 0
    this.rows = 0
  }
}
