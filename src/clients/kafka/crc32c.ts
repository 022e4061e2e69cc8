import { createRequire } from 'node:module'

/** CRC-32C (Castagnoli) of the bytes, as an unsigned number. */
export type Crc32c = (bytes: Uint8Array) => number

/** CRC-32C in plain JavaScript, eight bytes a step (Intel's "slicing-by-8"), for platforms without the native module. */
export function crc32cPortable(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables()
  let crc = 0xffffffff
  let at = 0
  // The `!` here and below: all indexes are masked to a byte or checked against the length.
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!
  }
  for (; at < bytes.length; at++) crc = t0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

type Tables = readonly [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]
let made: Tables | undefined

function tables(): Tables {
  if (made !== undefined) return made
  const all: Int32Array[] = []
  for (let level = 0; level < 8; level++) {
    const previous = all[level - 1]
    const first = all[0]
    all.push(
      Int32Array.from({ length: 256 }, (_, byte) => {
        if (previous === undefined || first === undefined) return tableEntry(byte)
        return first[previous[byte]! & 0xff]! ^ (previous[byte]! >>> 8)
      }),
    )
  }
  made = all as unknown as Tables
  return made
}

function tableEntry(byte: number): number {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
}

/** The native module is an optional dependency of `@platformatic/kafka`, so it is looked up from there. */
function loadNative(): Crc32c | undefined {
  try {
    const require = createRequire(import.meta.resolve('@platformatic/kafka'))
    const native = require('@node-rs/crc32') as { crc32c?: (bytes: Uint8Array) => number }
    return native.crc32c
  } catch {
    return undefined
  }
}

/** The native implementation where it is installed (about 6 GB/s), else the portable one. */
export const crc32c: Crc32c = loadNative() ?? crc32cPortable
