/** Where the last `readVarint` or `skipVarint` stopped: two results without an object for each record. */
export let varintEnd = 0

/**
 * Reads a signed (zig-zag) varint as Kafka's records use it for lengths and deltas. Exact up to 2^53. Reading beyond
 * the end gives a nonsense value with `varintEnd` beyond the end: callers compare that with their limit.
 */
export function readVarint(bytes: Uint8Array, start: number): number {
  let at = start
  let byte = bytes[at++]!
  let value = byte & 0x7f
  if (byte >= 0x80) {
    byte = bytes[at++]!
    value |= (byte & 0x7f) << 7
    for (let scale = 16384; byte >= 0x80; scale *= 128) {
      if (at - start >= 10) throw new RangeError('a varint has more than ten bytes')
      byte = bytes[at++]!
      value += (byte & 0x7f) * scale
    }
  }
  varintEnd = at
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** As `readVarint`, for 64-bit values of any size. */
export function readVarlong(bytes: Uint8Array, start: number): bigint {
  let at = start
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++]
    if (byte === undefined || at - start > 10) throw new RangeError('a varint has more than ten bytes')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  varintEnd = at
  return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
}

/** Bytes of the varint of a value from 0 to 2^31 - 1. */
export function varintSize(value: number): number {
  return value < 64 ? 1 : value < 8192 ? 2 : value < 1_048_576 ? 3 : value < 134_217_728 ? 4 : 5
}

/** Writes a signed (zig-zag) varint of 32 bits and returns where it ends. */
export function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80
  bytes[at++] = rest
  return at
}

/** Writes a signed (zig-zag) varint of 64 bits and returns where it ends. */
export function writeVarlong(bytes: Uint8Array, start: number, value: bigint): number {
  let at = start
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; rest >= 0x80n; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80
  bytes[at++] = Number(rest)
  return at
}
