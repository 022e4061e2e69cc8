const FIRST_BYTES = 64 * 1024

/** Bytes behind each other. Grows as it must, and is used again. */
export class ByteWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  length = 0

  reset(): void {
    this.length = 0
    // One large row must not hold its memory for ever.
    if (this.buffer.length > 64 * FIRST_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }

  byte(value: number): void {
    this.room(1)
    this.buffer[this.length++] = value
  }

  /** Seven bits in a byte, the lowest first. Not negative. */
  varint(value: number | bigint): void {
    this.room(10)
    let rest = value
    while (typeof rest === 'bigint' && rest > MAX_NUMBER) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    let number = Number(rest)
    for (; number >= 0x80; number = Math.floor(number / 128)) this.buffer[this.length++] = (number & 0x7f) | 0x80
    this.buffer[this.length++] = number
  }

  /** 0, -1, 1, -2 … as 0, 1, 2, 3 … */
  zigzag(value: number | bigint): void {
    if (typeof value === 'number' && Math.abs(value) < 2 ** 51) this.varint(value < 0 ? -2 * value - 1 : 2 * value)
    else this.varint(BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n)))
  }

  copy(source: Buffer, from: number, to: number): void {
    this.room(to - from)
    source.copy(this.buffer, this.length, from, to)
    this.length += to - from
  }

  float(value: number): void {
    this.room(4)
    this.length = this.buffer.writeFloatLE(value, this.length)
  }

  double(value: number): void {
    this.room(8)
    this.length = this.buffer.writeDoubleLE(value, this.length)
  }

  fixed32(value: number): void {
    this.room(4)
    this.length = this.buffer.writeUInt32LE(value >>> 0, this.length)
  }

  fixed64(value: number | bigint): void {
    this.room(8)
    this.length = this.buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), this.length)
  }

  room(bytes: number): void {
    const wanted = this.length + bytes
    if (wanted <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}

const MAX_NUMBER = BigInt(Number.MAX_SAFE_INTEGER)
