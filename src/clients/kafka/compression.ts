import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressLz4Frame } from './lz4.ts'
import { decompressSnappy } from './snappy.ts'

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Codecs by the number that stands in bits 0–2 of a record batch's attributes. */
export const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/**
 * Bounds against decompression bombs: a batch may grow to 128 MiB, and by a factor of 2000 (zeros in gzip reach 1030)
 * unless it stays below 4 MiB.
 */
const BYTES_MAX = 128 << 20
const RATIO_MAX = 2000
const BYTES_ALWAYS_ALLOWED = 4 << 20

const CHUNK_BYTES_MIN = 4 << 10
const CHUNK_BYTES_MAX = 2 << 20

/** Less is not worth it, and must be larger than the pool that small buffers share: that memory is not ours alone. */
const DISCARD_BYTES_MIN = Math.max(256 << 10, 2 * Buffer.poolSize)

/**
 * Gives the memory of decompressed bytes back at once, instead of letting a hundred megabytes of it pile up for the
 * garbage collector. Nobody may hold a view of them any more.
 */
export function discard(output: Buffer): void {
  const memory = output.buffer
  if (memory instanceof ArrayBuffer && memory.byteLength >= DISCARD_BYTES_MIN) memory.transfer(0)
}

/** Throws `RangeError` or a zlib error for damaged input and for output over the bounds. */
export class Decompressor {
  /** zlib joins its output from chunks; a chunk as large as the last result saves the joining. */
  #chunkBytes = 64 << 10

  decompress(codec: Codec, input: Buffer): Buffer {
    const bytesMax = Math.min(BYTES_MAX, Math.max(BYTES_ALWAYS_ALLOWED, input.length * RATIO_MAX))
    switch (codec) {
      case 'none':
        return input
      case 'snappy':
        return decompressSnappy(input, bytesMax)
      case 'lz4':
        return decompressLz4Frame(input, bytesMax)
      case 'gzip':
        return this.#zlib(gunzipSync, input, bytesMax)
      case 'zstd':
        return this.#zlib(zstdDecompressSync, input, bytesMax)
    }
  }

  #zlib(
    decompress: (input: Buffer, options: { chunkSize: number; maxOutputLength: number }) => Buffer,
    input: Buffer,
    bytesMax: number,
  ): Buffer {
    const output = decompress(input, { chunkSize: this.#chunkBytes, maxOutputLength: bytesMax })
    this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, 1 << (32 - Math.clz32(output.length))))
    return output
  }
}
