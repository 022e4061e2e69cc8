import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { decompressLz4Frames } from './lz4.ts'

export type Compression = 'gzip' | 'deflate' | 'zstd' | 'lz4' | 'unsupported'

/** Largest body after decompression; a broken or hostile one must not take the machine down. */
const DECOMPRESSED_BYTES_MAX = 4 * 1024 ** 3 - 1

/** Decompresses the whole body of one request. Throws when it is not what it says. */
export function decompress(body: Buffer, compression: Exclude<Compression, 'unsupported'>): Buffer {
  const options = { maxOutputLength: DECOMPRESSED_BYTES_MAX }
  switch (compression) {
    case 'gzip':
      return gunzipSync(body, options)
    case 'deflate':
      return inflateSync(body, options)
    case 'zstd':
      return zstdDecompressSync(body, options)
    case 'lz4':
      return decompressLz4Frames(body)
  }
}
