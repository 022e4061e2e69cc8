/** FNV-1a, 32 bits: the same for the same bytes, in every process. */
export function hashOf(buffer: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5 | 0
  for (let at = from; at < to; at++) value = Math.imul(value ^ (buffer[at] ?? 0), 0x01000193)
  return value
}

/** Which of `count` shares a hash belongs to. */
export function shareOf(hash: number, count: number): number {
  return (hash >>> 0) % count
}

/** Is what begins at `at` the same as the bytes of `other` from `from` to `to`? */
export function sameBytes(buffer: Uint8Array, at: number, other: Uint8Array, from: number, to: number): boolean {
  for (let place = from; place < to; place++) if (buffer[at + place - from] !== other[place]) return false
  return true
}

/** Leading bytes of a key that stand in one number together with its length. */
const LEAD_BYTES = 6
const LENGTH_MAX = 31

/** The numbers of `count` keys in their order: shorter ones first, which for whole numbers is their own order. */
export function keyOrder(buffer: Buffer, starts: Int32Array, lengths: Int32Array, count: number): Uint32Array {
  const leads = new Float64Array(count)
  const order = new Uint32Array(count)
  for (let key = 0; key < count; key++) {
    order[key] = key
    leads[key] = leadOf(buffer, starts[key] ?? 0, lengths[key] ?? 0)
  }
  return order.sort((one, other) => {
    const byLead = (leads[one] ?? 0) - (leads[other] ?? 0)
    if (byLead !== 0) return byLead
    const [oneBytes, otherBytes] = [lengths[one] ?? 0, lengths[other] ?? 0]
    if (oneBytes !== otherBytes) return oneBytes - otherBytes
    const [oneAt, otherAt] = [starts[one] ?? 0, starts[other] ?? 0]
    const byText = buffer.compare(buffer, otherAt, otherAt + otherBytes, oneAt, oneAt + oneBytes)
    // Without a key: as they came.
    return byText !== 0 ? byText : one - other
  })
}

function leadOf(buffer: Uint8Array, start: number, length: number): number {
  let lead = Math.min(length, LENGTH_MAX)
  for (let at = 0; at < LEAD_BYTES; at++) lead = lead * 256 + (at < length ? (buffer[start + at] ?? 0) : 0)
  return lead
}
