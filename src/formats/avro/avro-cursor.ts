import { BadMessage } from '../changes/json-members.ts'

/** Reads Avro's binary encoding. Nothing is read behind `end`. */
export class AvroCursor {
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  open(buffer: Buffer, from: number, to: number): void {
    this.#buffer = buffer
    this.#at = from
    this.#end = to
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Zig-zag, seven bits in a byte. Exact up to 2^53; `long` for all of them. */
  int(): number {
    const value = this.long()
    return Number(value)
  }

  /** As a number where that is exact. */
  long(): number | bigint {
    let low = 0
    let at = this.#at
    // Four bytes, 28 bits, without bigints.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte(at++)
      low |= (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      this.#at = at
      return (low >>> 1) ^ -(low & 1)
    }
    let value = BigInt(low)
    for (let shift = 28n; ; shift += 7n) {
      if (shift > 63n) throw new BadMessage('an Avro number has too many bytes')
      const byte = this.#byte(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.#at = at
    const signed = (value >> 1n) ^ -(value & 1n)
    return BigInt.asIntN(64, signed)
  }

  boolean(): boolean {
    return this.#byte(this.#at++) === 1
  }

  float(): number {
    return this.#buffer.readFloatLE(this.#take(4))
  }

  double(): number {
    return this.#buffer.readDoubleLE(this.#take(8))
  }

  /** A view, good until the buffer is used again. */
  bytes(): Buffer {
    return this.fixed(this.int())
  }

  fixed(size: number): Buffer {
    const from = this.#take(size)
    return this.#buffer.subarray(from, from + size)
  }

  string(): string {
    const size = this.int()
    const from = this.#take(size)
    return this.#buffer.toString('utf8', from, from + size)
  }

  #take(size: number): number {
    const from = this.#at
    if (!(size >= 0 && from + size <= this.#end)) throw new BadMessage('its Avro value is cut off')
    this.#at = from + size
    return from
  }

  #byte(at: number): number {
    if (at >= this.#end) throw new BadMessage('its Avro value is cut off')
    return this.#buffer[at] ?? 0
  }
}
