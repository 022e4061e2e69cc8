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
