import type { ConsumedMessage } from './consumed-message.ts'
import type { ConsumedOffsets } from './transactional-producer.ts'

/** What a handler is given beside the messages. */
export interface HandlerContext {
  /** Fires when the work should end at once: its partition is taken away, or the consumer closes. */
  readonly signal: AbortSignal
  /** 1 at the first try. */
  readonly attempt: number
  /** With `commit: 'manual'`: these messages, and those before them in their partition, are done. */
  commit(): Promise<void>
  /** With `commit: 'none'`: what a transaction has to commit so that these messages are done. */
  offsets(): ConsumedOffsets
}

export type EachHandler = (message: ConsumedMessage, context: HandlerContext) => Promise<void> | void
export type BatchHandler = (messages: readonly ConsumedMessage[], context: HandlerContext) => Promise<void> | void
