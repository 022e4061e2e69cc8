import type { ChangeMessage } from '../changes/change-format.ts'
import type { FeedEvent, FeedRow } from './feed-buffer.ts'

export interface FeedSink {
  /** Tables that are wanted. */
  wants(table: { readonly database: string; readonly name: string; readonly id: string }): boolean
  row(row: FeedRow): void
  event(event: FeedEvent): void
  /** Changes that cannot be read yet. `read` is asked again until it can; nothing from `commitTs` on is complete before. */
  hold(commitTs: bigint, read: () => readonly FeedRow[] | undefined): void
  /** Every change below `watermark` is in this partition, before this message. */
  watermark(watermark: bigint): void
}

/** Reads messages of a feed with watermarks. Throws `BadMessage` for what it cannot read. */
export interface FeedFormat {
  decode(message: ChangeMessage, out: FeedSink): void
}
