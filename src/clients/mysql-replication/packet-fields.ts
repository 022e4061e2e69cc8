/** Reads the fields of one packet in order (MySQL client/server protocol, "Basic Data Types"). */
export class PacketFields {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  uint(bytes: number): number {
    const value = this.bytes.readUIntLE(this.at, bytes)
    this.at += bytes
    return value
  }

  uint64(): bigint {
    const value = this.bytes.readBigUInt64LE(this.at)
    this.at += 8
    return value
  }

  int64(): bigint {
    const value = this.bytes.readBigInt64LE(this.at)
    this.at += 8
    return value
  }

  /** A length-encoded integer; `undefined` stands for NULL. */
  lengthOrNull(): number | undefined {
    const first = this.uint(1)
    if (first < 0xfb) return first
    if (first === 0xfb) return undefined
    if (first === 0xfc) return this.uint(2)
    if (first === 0xfd) return this.uint(3)
    return Number(this.uint64())
  }

  length(): number {
    return this.lengthOrNull() ?? 0
  }

  take(length: number): Buffer {
    const end = this.at + length
    if (end > this.bytes.length) throw new RangeError('a field is longer than its packet')
    const part = this.bytes.subarray(this.at, end)
    this.at = end
    return part
  }

  rest(): Buffer {
    return this.take(this.bytes.length - this.at)
  }

  /** Bytes up to the next zero, which is stepped over. */
  untilZero(): Buffer {
    const end = this.bytes.indexOf(0, this.at)
    const part = this.take((end < 0 ? this.bytes.length : end) - this.at)
    this.at = Math.min(this.at + 1, this.bytes.length)
    return part
  }

  /** A length-encoded string as it is; `undefined` stands for NULL. */
  stringOrNull(): Buffer | undefined {
    const length = this.lengthOrNull()
    return length === undefined ? undefined : this.take(length)
  }

  text(): string {
    return this.stringOrNull()?.toString('utf8') ?? ''
  }
}
