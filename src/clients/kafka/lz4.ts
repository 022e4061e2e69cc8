/**
 * LZ4 frames as Kafka's lz4 codec writes them (github.com/lz4/lz4, doc/lz4_Frame_format.md and lz4_Block_format.md).
 * Checksums inside the frame are not verified: the CRC-32C of the record batch covers the compressed bytes.
 */

const MAGIC = 0x184d2204

/** Throws `RangeError` for damaged input or more than `bytesMax` bytes of output. */
export function decompressLz4Frame(input: Buffer, bytesMax: number): Buffer {
  if (input.length < 7 || input.readUInt32LE(0) !== MAGIC) throw new RangeError('not an LZ4 frame')
  const flags = input.readUInt8(4)
  const blockKind = (input.readUInt8(5) >>> 4) & 7
  if (flags >>> 6 !== 1 || blockKind < 4) throw new RangeError('unknown version of the LZ4 frame')
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasContentSize = (flags & 0x08) !== 0
  const blockBytesMax = 1 << (8 + 2 * blockKind)
  let at = 7 + (hasContentSize ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0)
  let output: Buffer = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(blockBytesMax, input.length * 4)))
  let length = 0
  for (;;) {
    const word = input.readUInt32LE(at)
    at += 4
    if (word === 0) return output.subarray(0, length)
    const size = word & 0x7fffffff
    if (size > blockBytesMax || at + size > input.length) throw new RangeError('an LZ4 block is longer than its frame')
    output = withRoom(output, length, blockBytesMax, bytesMax)
    const block = input.subarray(at, at + size)
    if (word >>> 31 === 1) length += copyBlock(block, output, length)
    else length = decompressLz4Block(block, output, length)
    at += size + (hasBlockChecksum ? 4 : 0)
  }
}

function copyBlock(block: Buffer, output: Buffer, at: number): number {
  if (at + block.length > output.length) throw new RangeError('decompressed size is over the limit')
  return block.copy(output, at)
}

/** A buffer with room for another block, up to the limit; the first `length` bytes are kept. */
function withRoom(output: Buffer, length: number, blockBytesMax: number, bytesMax: number): Buffer {
  if (output.length - length >= blockBytesMax || output.length === bytesMax) return output
  const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(output.length * 2, length + blockBytesMax)))
  output.copy(larger, 0, 0, length)
  return larger
}

/** Appends one block to `output` at `at`; matches may reach back to the start of the output. Returns the new end. */
export function decompressLz4Block(input: Buffer, output: Buffer, at: number): number {
  let from = 0
  let to = at
  // The `!`: a read beyond the end gives undefined, which the checks of `from` and `to` then turn into an error.
  for (;;) {
    const token = input[from++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte
      do {
        byte = input[from++]!
        literals += byte
      } while (byte === 255)
    }
    if (!(from + literals <= input.length && to + literals <= output.length))
      throw new RangeError('LZ4 literals go beyond the end')
    if (literals > 16) input.copy(output, to, from, from + literals)
    else for (let k = 0; k < literals; k++) output[to + k] = input[from + k]!
    from += literals
    to += literals
    if (from === input.length) return to
    const distance = input[from]! | (input[from + 1]! << 8)
    from += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let byte
      do {
        byte = input[from++]!
        match += byte
      } while (byte === 255)
    }
    if (!(from < input.length && distance > 0 && distance <= to && to + match <= output.length))
      throw new RangeError('an LZ4 match goes beyond the output')
    to = copyMatch(output, to, distance, match)
  }
}

/** Repeats `length` bytes that lie `distance` before `to`; they may overlap what is being written. Returns the new end. */
export function copyMatch(output: Buffer, to: number, distance: number, length: number): number {
  const source = to - distance
  if (length <= 24 || distance < 8) {
    for (let k = 0; k < length; k++) output[to + k] = output[source + k]!
    return to + length
  }
  // copyWithin is not allowed to overlap forwards, so what is already there is doubled until the rest is covered.
  let done = 0
  while (done < length) {
    const step = Math.min(distance + done, length - done)
    output.copyWithin(to + done, source, source + step)
    done += step
  }
  return to + length
}
