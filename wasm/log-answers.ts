/*
 * AssemblyScript: answers of SLS are unpacked and looked over as a whole before anything of them is used. What is damaged
 * or unusual is looked at again in TypeScript (src/core/lz4-block.ts, src/clients/sls/count-groups.ts), which says what is
 * wrong with it.
 *
 * All places are addresses, and behind all bytes there is room for 300 more.
 */
import { behind, varint } from './wire'

/** Unpacks one LZ4 block (lz4/lz4 doc/lz4_Block_format.md); returns the place behind what was written, or 0. */
export function decompress(from: usize, fromEnd: usize, to: usize, toEnd: usize): usize {
  const start = to
  while (from < fromEnd) {
    const token = <usize>load<u8>(from++)
    let literals = token >>> 4
    if (literals == 15) {
      let byte: usize = 255
      while (byte == 255) {
        if (from >= fromEnd) return 0
        byte = <usize>load<u8>(from++)
        literals += byte
      }
    }
    if (literals > fromEnd - from || literals > toEnd - to) return 0
    for (let done: usize = 0; done < literals; done += 16) v128.store(to + done, v128.load(from + done))
    to += literals
    from += literals
    if (from == fromEnd) return to
    if (fromEnd - from < 2) return 0
    const distance = <usize>load<u16>(from)
    from += 2
    let match = (token & 15) + 4
    if (match == 19) {
      let byte: usize = 255
      while (byte == 255) {
        if (from >= fromEnd) return 0
        byte = <usize>load<u8>(from++)
        match += byte
      }
    }
    // The last sequence of a block is literals alone.
    if (from >= fromEnd || distance == 0 || distance > to - start || match > toEnd - to) return 0
    const end = to + match
    let back = to - distance
    if (distance >= 16) {
      for (; to < end; to += 16, back += 16) v128.store(to, v128.load(back))
    } else if (distance >= 8) {
      for (; to < end; to += 8, back += 8) store<u64>(to, load<u64>(back))
    } else {
      for (; to < end; to++, back++) store<u8>(to, load<u8>(back))
    }
    to = end
  }
  return 0
}

/** Groups of a LogGroupList of which nothing is odd, or -1. */
export function count(from: usize, end: usize): i32 {
  let groups = 0
  let at = from
  while (at < end) {
    if (load<u8>(at) != 0x0a) return -1
    const size = varint(at + 1)
    if (behind == 0 || behind > end || size > end - behind) return -1
    at = behind + size
    if (!isGroup(behind, at)) return -1
    groups++
  }
  return groups
}

function isGroup(from: usize, end: usize): bool {
  let at = from
  while (at < end) {
    const tag = load<u8>(at)
    // Logs, category, topic, source, machine and tags: all have a length.
    if (tag > 0x32 || (tag & 7) != 2 || tag < 8) return false
    const size = varint(at + 1)
    const start = behind
    if (start == 0 || start > end || size > end - start) return false
    at = start + size
    if (tag == 0x0a && !isLog(start, at)) return false
    if (tag == 0x32 && !isContent(start, at)) return false
  }
  return true
}

function isLog(from: usize, end: usize): bool {
  let hasTime = false
  let at = from
  while (at < end) {
    const tag = load<u8>(at)
    if (tag == 0x12) {
      const size = varint(at + 1)
      const start = behind
      if (start == 0 || start > end || size > end - start) return false
      at = start + size
      if (!isContent(start, at)) return false
    } else if (tag == 0x08) {
      varint(at + 1)
      if (behind == 0 || behind > end) return false
      at = behind
      hasTime = true
    } else if (tag == 0x25) {
      at += 5
      if (at > end) return false
    } else return false
  }
  return hasTime
}

/** A key and behind it a value, and nothing else; nearly always both are shorter than 128 bytes. */
// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
function isContent(from: usize, end: usize): bool {
  const value = from + 2 + <usize>load<u8>(from, 1)
  const isShort = ((load<u8>(from, 1) | load<u8>(value, 1)) & 0x80) == 0
  if (isShort && load<u8>(from) == 0x0a && load<u8>(value) == 0x12 && value + 2 + <usize>load<u8>(value, 1) == end) {
    return true
  }
  return isLongContent(from, end)
}

function isLongContent(from: usize, end: usize): bool {
  if (end - from < 4 || load<u8>(from) != 0x0a) return false
  const keySize = varint(from + 1)
  if (behind == 0 || behind > end || keySize > end - behind) return false
  const value = behind + keySize
  if (end - value < 2 || load<u8>(value) != 0x12) return false
  const size = varint(value + 1)
  return behind != 0 && behind <= end && size == end - behind
}
