import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'
import type { Batch } from '../../core/batch.ts'

/** Turns the batches of one file into its bytes. Calls never overlap. */
export interface FileEncoder {
  /** Bytes to append now; the batch may be released afterwards, the bytes are valid until the next call. */
  add(batch: Batch): Promise<readonly Uint8Array[]>
  /** What is left. */
  finish(): Promise<readonly Uint8Array[]>
  /** Frees what the encoder holds, also after an error. */
  close(): Promise<void>
}

const COMPRESSORS = { gzip: promisify(gzip), zstd: promisify(zstdCompress) } as const

/** Text is gathered up to this size, so that small batches compress as well as large ones. */
const FRAME_BYTES = 1024 * 1024

/** Compresses text in frames: members of a gzip or zstd file that readers join. */
export class FrameCompressor {
  readonly #codec: 'none' | 'gzip' | 'zstd'
  #gathered: Buffer[] = []
  #bytes = 0

  constructor(codec: 'none' | 'gzip' | 'zstd') {
    this.#codec = codec
  }

  async add(text: Buffer): Promise<readonly Uint8Array[]> {
    if (this.#codec === 'none' || text.length === 0) return [text]
    // Its buffer is recycled before the frame is full.
    if (this.#bytes + text.length < FRAME_BYTES) text = Buffer.from(text)
    this.#gathered.push(text)
    this.#bytes += text.length
    return this.#bytes < FRAME_BYTES ? [] : await this.finish()
  }

  async finish(): Promise<readonly Uint8Array[]> {
    if (this.#codec === 'none' || this.#bytes === 0) return []
    const frame = await COMPRESSORS[this.#codec](Buffer.concat(this.#gathered, this.#bytes))
    this.#gathered = []
    this.#bytes = 0
    return [frame]
  }
}
