import type { WireReader } from './wire-reader.ts'

/**
 * Walks over a whole LogGroupList of `length` bytes and counts its groups.
 *
 * @throws RangeError when anything reaches beyond what holds it, or a field is missing that has to be there.
 */
export function countGroups(wire: WireReader, length: number): number {
  let groups = 0
  for (let at = 0; at < length;) {
    const tag = wire.varint(at)
    const start = wire.end
    at = wire.skip(tag, start, length)
    if (tag !== 0x0a) continue
    const size = wire.varint(start)
    checkGroup(wire, at - size, at)
    groups++
  }
  return groups
}

function checkGroup(wire: WireReader, from: number, to: number): void {
  for (let at = from; at < to;) {
    const tag = wire.varint(at)
    const start = wire.end
    at = wire.skip(tag, start, to)
    if (tag !== 0x0a && tag !== 0x32) continue
    const size = wire.varint(start)
    if (tag === 0x0a) checkLog(wire, at - size, at)
    else checkContent(wire, at - size, at)
  }
}

function checkLog(wire: WireReader, from: number, to: number): void {
  const { bytes } = wire
  let hasTime = false
  let at = from
  while (at < to) {
    const tag = bytes[at]!
    if (tag === 0x08) {
      hasTime = true
      let last = at + 1
      while (bytes[last]! >= 0x80 && last < at + 10) last++
      if (!(last < to) || last === at + 10) wire.skip(tag, at + 1, to)
      at = last + 1
      continue
    }
    if (tag !== 0x12) {
      const wide = wire.varint(at)
      // Nobody writes it so, and readers of contents look at one byte.
      if (wide === 0x12) throw new RangeError('the tag of a content has more bytes than it needs')
      at = wire.skip(wide, wire.end, to)
      continue
    }
    let size = bytes[++at]!
    if (size < 0x80) at++
    else {
      size = wire.varint(at)
      at = wire.end
    }
    const end = at + size
    if (!(end <= to)) throw new RangeError('a content that is longer than its log')
    // The same short way as in `LogReader`, without noting anything.
    const behindKey = at + 2 + bytes[at + 1]!
    const valueSize = bytes[behindKey + 1]!
    const isPlain = bytes[at] === 0x0a && bytes[at + 1]! < 0x80 && bytes[behindKey] === 0x12
    if (!(isPlain && valueSize < 0x80 && behindKey + 2 + valueSize === end)) checkContent(wire, at, end)
    at = end
  }
  if (!hasTime) throw new RangeError('a log without a time')
}

/** A content or tag: a key and a value, whatever else. */
function checkContent(wire: WireReader, from: number, to: number): void {
  let hasKey = false
  let hasValue = false
  for (let at = from; at < to;) {
    const tag = wire.varint(at)
    at = wire.skip(tag, wire.end, to)
    hasKey ||= tag === 0x0a
    hasValue ||= tag === 0x12
  }
  if (!hasKey || !hasValue) throw new RangeError('a content without a key or a value')
}
