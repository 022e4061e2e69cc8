import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import type { PartitionRouter } from './partition-router.ts'

/** Makes records of batches. Keeps nothing of a batch when it is done. */
export interface RecordEncoder {
  /** Rows without a time of their own get `nowMs` (milliseconds since 1970). */
  encode(batch: Batch, router: PartitionRouter, nowMs: number): Promise<void> | void
  close(): void
}

/** Records that are values and nothing else, as they came. */
export class ValuesEncoder implements RecordEncoder {
  #ends = new Uint32Array(1024)

  encode({ body, rows }: Batch, router: PartitionRouter, nowMs: number): void {
    assert(body.kind === 'bytes', 'values are passed through as bytes')
    const ends = body.ends ?? this.#findEnds(body.buffer, body.length, body.separator, rows)
    router.addValues(body.buffer, ends, rows, 1, nowMs)
  }

  close(): void {}

  #findEnds(buffer: Buffer, length: number, separator: number, rows: number): Uint32Array {
    if (this.#ends.length < rows) this.#ends = new Uint32Array(rows * 2)
    let at = 0
    for (let row = 0; row < rows; row++) {
      const end = buffer.indexOf(separator, at)
      assert(end >= 0 && end < length, 'every record ends in the separator')
      this.#ends[row] = end
      at = end + 1
    }
    assert(at === length, 'a batch has as many records as it says')
    return this.#ends
  }
}
