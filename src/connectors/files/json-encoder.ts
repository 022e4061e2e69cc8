import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { FrameCompressor, type FileEncoder } from './encoder.ts'

/** JSON rows pass through as they are, one a line. */
export class JsonEncoder implements FileEncoder {
  readonly #compressor: FrameCompressor

  constructor(compression: 'none' | 'gzip' | 'zstd') {
    this.#compressor = new FrameCompressor(compression)
  }

  async add({ body }: Batch): Promise<readonly Uint8Array[]> {
    assert(body.kind === 'bytes' && body.separator === 0x0a, 'the files sink asked for lines of JSON')
    return await this.#compressor.add(body.buffer.subarray(0, body.length))
  }

  async finish(): Promise<readonly Uint8Array[]> {
    return await this.#compressor.finish()
  }

  async close(): Promise<void> {}
}
