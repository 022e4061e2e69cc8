import { gzipSync, zstdCompressSync } from 'node:zlib'
import { assert } from '../../core/assert.ts'
import type { Codec } from './compression.ts'

type Compress = (input: Buffer) => Buffer

const compressors = new Map<Codec, Compress>([
  ['none', (input) => input],
  ['gzip', (input) => gzipSync(input)],
  ['zstd', (input) => zstdCompressSync(input)],
])

/** Makes a codec ready for encoding. The library that has LZ4 and snappy takes 0.3 s to load, so it is not by itself. */
export async function loadCodec(codec: Codec): Promise<void> {
  if (compressors.has(codec)) return
  const { compressionsAlgorithms } = await import('@platformatic/kafka')
  const algorithm = compressionsAlgorithms[codec]
  compressors.set(codec, (input) => algorithm.compressSync(input))
}

/** Compresses the records of a batch; with `none` the result is the input itself. */
export function compressWith(codec: Codec, input: Buffer): Buffer {
  const compress = compressors.get(codec)
  assert(compress !== undefined, `codec ${codec} is loaded before a batch is encoded with it`)
  return compress(input)
}
