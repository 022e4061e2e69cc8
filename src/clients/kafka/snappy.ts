import { copyMatch } from '../../core/lz4-block.ts'

/**
 * Snappy blocks (github.com/google/snappy, format_description.txt), bare or in the framing of the xerial library, which
 * is what the Java clients write: 8 bytes of magic, two int32 versions, then chunks of int32 length and a block.
 */

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])

/** Throws `RangeError` for damaged input or more than `bytesMax` bytes of output. */
export function decompressSnappy(input: Buffer, bytesMax: number): Buffer {
  if (!input.subarray(0, 8).equals(XERIAL_MAGIC)) return decompressSnappyBlock(input, bytesMax)
  const parts: Buffer[] = []
  let total = 0
  for (let at = 16; at < input.length;) {
    const size = input.readInt32BE(at)
    at += 4
    if (size < 0 || at + size > input.length) throw new RangeError('a snappy chunk is longer than its frame')
    const part = decompressSnappyBlock(input.subarray(at, at + size), bytesMax - total)
    parts.push(part)
    total += part.length
    at += size
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
}

function decompressSnappyBlock(input: Buffer, bytesMax: number): Buffer {
  let size = 0
  let from = 0
  for (let shift = 0; ; shift += 7) {
    const byte = input[from++]
    if (byte === undefined || shift > 28) throw new RangeError('the length of a snappy block is damaged')
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > bytesMax) throw new RangeError(`decompressed size ${size} is over the limit of ${bytesMax}`)
  const output = Buffer.allocUnsafe(size)
  if (expand(input, from, output) !== size) throw new RangeError('a snappy block is shorter than it says')
  return output
}

/** The `!`: a read beyond the end gives undefined, which the checks then turn into an error. */
function expand(input: Buffer, start: number, output: Buffer): number {
  let from = start
  let to = 0
  while (from < input.length) {
    const tag = input[from++]!
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >>> 2) + 1
      if (length > 60) {
        const width = length - 60
        length = input.readUIntLE(from, width) + 1
        from += width
      }
      if (from + length > input.length || to + length > output.length)
        throw new RangeError('snappy literals go beyond the end')
      if (length > 16) input.copy(output, to, from, from + length)
      else for (let k = 0; k < length; k++) output[to + k] = input[from + k]!
      from += length
      to += length
      continue
    }
    let length = (tag >>> 2) + 1
    let distance: number
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4
      distance = ((tag >>> 5) << 8) | input[from++]!
    } else if (kind === 2) {
      distance = input[from]! | (input[from + 1]! << 8)
      from += 2
    } else {
      distance = input.readUInt32LE(from)
      from += 4
    }
    if (!(from <= input.length && distance > 0 && distance <= to && to + length <= output.length))
      throw new RangeError('a snappy copy goes beyond the output')
    to = copyMatch(output, to, distance, length)
  }
  return to
}
