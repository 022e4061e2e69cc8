import { BadMessage } from '../changes/json-members.ts'

/** How a value is written: the lower three bits of its tag (Protocol Buffers, "Encoding"). */
export const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const

/** Reads Protobuf's wire format. Nothing is read behind `end`. */
export class ProtobufCursor {
  readonly buffer: Buffer
  at: number
  readonly end: number

  constructor(buffer: Buffer, from: number, to: number) {
    this.buffer = buffer
    this.at = from
    this.end = to
  }

  get isAtEnd(): boolean {
    return this.at >= this.end
  }

  /** Seven bits in a byte, up to 64 bits, unsigned; a number where 28 bits are enough. */
  varint(): number | bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return low
    }
    let value = BigInt(low)
    for (let shift = 28n; ; shift += 7n) {
      if (shift > 63n) throw new BadMessage('a Protobuf number has too many bytes')
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
  }

  /** A length or a tag. */
  size(): number {
    return Number(this.varint())
  }

  /** Moves behind so many bytes; tells where they began. */
  take(bytes: number): number {
    const from = this.at
    if (!(bytes >= 0 && from + bytes <= this.end)) throw new BadMessage('its Protobuf value is cut off')
    this.at = from + bytes
    return from
  }

  /** Moves behind a value of this wire type. */
  skip(wireType: number): void {
    if (wireType === WIRE.VARINT) this.varint()
    else if (wireType === WIRE.FIXED64) this.take(8)
    else if (wireType === WIRE.BYTES) this.take(this.size())
    else if (wireType === WIRE.FIXED32) this.take(4)
    else throw new BadMessage('it holds a Protobuf group, or is no Protobuf message')
  }

  #byte(): number {
    if (this.at >= this.end) throw new BadMessage('its Protobuf value is cut off')
    return this.buffer[this.at++] ?? 0
  }
}

/** Zig-zag: 0, -1, 1, -2 … */
export function unzigzag(value: number | bigint): number | bigint {
  if (typeof value === 'number') return (value >>> 1) ^ -(value & 1)
  return (value >> 1n) ^ -(value & 1n)
}
