import { decompressLz4Block } from '../../core/lz4-block.ts'

/**
 * LZ4 frames as Kafka's lz4 codec writes them (github.com/lz4/lz4, doc/lz4_Frame_format.md).
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
