import type { Batch } from '../core/batch.ts'

/** The same batch for several consumers: its buffers go back when the last of them has released it. */
export function shareBatch(batch: Batch, consumers: number): Batch {
  if (consumers === 1) return batch
  let left = consumers
  return {
    ...batch,
    release: () => {
      left -= 1
      if (left === 0) batch.release()
    },
  }
}
