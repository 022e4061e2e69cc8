/**
 * MurmurHash2 as the Java client's default partitioner uses it (org.apache.kafka.common.utils.Utils.murmur2), so that a
 * key comes to the same partition whoever writes it. Signed 32 bits.
 */
export function murmur2(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  const m = 0x5bd1e995
  const byte = (index: number): number => bytes[index] ?? 0
  const length = to - from
  let h = 0x9747b28c ^ length
  let at = from
  for (const end = to - 3; at < end; at += 4) {
    let k = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const left = to - at
  if (left === 3) h ^= byte(at + 2) << 16
  if (left >= 2) h ^= byte(at + 1) << 8
  if (left >= 1) h = Math.imul(h ^ byte(at), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

/** The partition that the Java client gives a key. */
export function partitionOfKey(partitions: number, key: Uint8Array, from?: number, to?: number): number {
  return (murmur2(key, from, to) & 0x7fffffff) % partitions
}
