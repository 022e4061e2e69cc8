const FRAME_MAGIC = 0x184d2204

/** Why a body could not be decompressed. */
export class DecompressionError extends Error {}

/**
 * Decompresses LZ4 frames (one or more). Checksums are skipped, not verified.
 * Format: lz4/lz4 doc/lz4_Frame_format.md and doc/lz4_Block_format.md.
 */
export function decompressLz4Frames(input: Buffer): Buffer {
  const parts: Buffer[] = []
  let at = 0
  while (at < input.length) at = readFrame(input, at, parts)
  return Buffer.concat(parts)
}

function readFrame(input: Buffer, start: number, parts: Buffer[]): number {
  if (start + 7 > input.length || input.readUInt32LE(start) !== FRAME_MAGIC)
    throw new DecompressionError('not an LZ4 frame')
  const flags = input.readUInt8(start + 4)
  if (flags >> 6 !== 1) throw new DecompressionError('unknown version of the LZ4 frame format')
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasContentChecksum = (flags & 0x04) !== 0
  // Magic, flags and block descriptor; content size; dictionary id; header checksum.
  let at = start + 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1
  const blockBytesMax = 1 << (8 + 2 * ((input.readUInt8(start + 5) >> 4) & 7))
  // Linked blocks refer back to what came before, so the frame is written into one growing buffer.
  const output = new Output(blockBytesMax)
  for (;;) {
    if (at + 4 > input.length) throw new DecompressionError('LZ4 frame ends early')
    const size = input.readUInt32LE(at)
    at += 4
    if (size === 0) break
    const length = size & 0x7fffffff
    if (at + length > input.length) throw new DecompressionError('LZ4 block ends early')
    const block = input.subarray(at, at + length)
    if (size >>> 31 === 1) output.append(block)
    else decompressBlock(block, output)
    at += length + (hasBlockChecksum ? 4 : 0)
  }
  parts.push(output.bytes())
  return at + (hasContentChecksum ? 4 : 0)
}

/** One bare block of `size` bytes, as Simple Log Service sends and takes it. */
export function decompressLz4Block(block: Buffer, size: number): Buffer {
  const output = new Output(size)
  decompressBlock(block, output)
  return output.bytes()
}

function decompressBlock(block: Buffer, output: Output): void {
  let at = 0
  const readLength = (nibble: number): number => {
    let length = nibble
    for (let more = nibble === 15; more;) {
      const byte = block[at]
      if (byte === undefined) throw new DecompressionError('LZ4 block ends early')
      at += 1
      length += byte
      more = byte === 255
    }
    return length
  }
  while (at < block.length) {
    const token = block[at] ?? 0
    at += 1
    const literals = readLength(token >> 4)
    if (at + literals > block.length) throw new DecompressionError('LZ4 literals end early')
    output.append(block.subarray(at, at + literals))
    at += literals
    if (at >= block.length) return
    if (at + 2 > block.length) throw new DecompressionError('LZ4 block ends early')
    const offset = block.readUInt16LE(at)
    at += 2
    output.repeat(offset, readLength(token & 15) + 4)
  }
}

class Output {
  #buffer: Buffer
  #length = 0

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(1024, Math.min(capacity, 1 << 22)))
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length)
    bytes.copy(this.#buffer, this.#length)
    this.#length += bytes.length
  }

  repeat(offset: number, length: number): void {
    const from = this.#length - offset
    if (offset === 0 || from < 0) throw new DecompressionError('LZ4 match points before the start')
    this.#reserve(length)
    // Overlapping matches repeat what they have just written, so only whole offsets can be copied at once.
    for (let done = 0; done < length;) {
      const step = Math.min(length - done, offset + done)
      this.#buffer.copyWithin(this.#length + done, from, from + step)
      done += step
    }
    this.#length += length
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}
