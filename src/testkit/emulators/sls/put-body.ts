import { zstdDecompressSync } from 'node:zlib'
import { decompressLz4Block } from '../lz4.ts'
import { SlsProblem } from './problem.ts'
import type { SignedRequest } from './signature.ts'

const BODY_BYTES_MAX = 10 * 1024 * 1024

/** The LogGroup of a PutLogs request: one compressed body whose raw size is in a header. */
export function unpackBody({ headers, body }: SignedRequest): Buffer {
  const size = Number(headers['x-log-bodyrawsize'])
  if (!Number.isInteger(size)) throw new SlsProblem(400, 'MissingBodyRawSize', 'x-log-bodyrawsize is missing')
  if (size > BODY_BYTES_MAX)
    throw new SlsProblem(400, 'PostBodyTooLarge', `the body has more than ${BODY_BYTES_MAX} bytes`)
  const raw = decompressed(body, headers['x-log-compresstype'], size)
  if (raw.length !== size) throw new SlsProblem(400, 'PostBodyUncompressError', 'the raw size is another one')
  return raw
}

function decompressed(body: Buffer, codec: string | string[] | undefined, size: number): Buffer {
  try {
    if (codec === undefined) return body
    if (codec === 'lz4') return decompressLz4Block(body, size)
    if (codec === 'zstd') return zstdDecompressSync(body, { maxOutputLength: Math.max(1, size) })
  } catch (error) {
    throw new SlsProblem(400, 'PostBodyUncompressError', (error as Error).message)
  }
  throw new SlsProblem(400, 'ParameterInvalid', `the emulator has no codec ${String(codec)}`)
}
