import type { Idle, SplitEnd, Watermark } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'

/** Where the rows of a block come from, as far as that is one place. */
export interface BlockHead {
  readonly rows: number
  /** Size for budgets and rates: the bytes as they were read. */
  readonly bytes: number
}

/** What an item is besides rows. It passes in order with the rows of its sender, to every lane. */
export type Mark = Watermark | Idle | SplitEnd

/** Sender → receiver. What an earlier attempt sent is not heard; what a later one sent waits until we are there too. */
export type ToReceiver = { readonly attempt: number } & (
  | {
      readonly kind: 'rows'
      readonly block: number
      readonly memory: SharedArrayBuffer
      readonly length: number
      readonly head: BlockHead
    }
  | { readonly kind: 'mark'; readonly mark: Mark }
  /** The barrier. `rows` were sent to this receiver since the last one. */
  | { readonly kind: 'cut'; readonly checkpoint: CheckpointId; readonly rows: number }
)

/** Receiver → sender: the block was read. */
export interface Credit {
  readonly block: number
}
