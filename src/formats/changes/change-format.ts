import type { ChangeCollector } from './change-collector.ts'

/** One message of a feed. Its bytes stand in buffers of others and are good during the call only. */
export interface ChangeMessage {
  readonly topic: string
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
  /** The value is absent: a tombstone. */
  readonly isNull: boolean
  readonly keyBuffer: Buffer
  readonly keyFrom: number
  readonly keyTo: number
}

/** Makes changes of messages. Throws `BadMessage` for what it cannot read. */
export interface ChangeFormat {
  /** Schemas that have to be learnt before the message can be read. */
  missing?(message: ChangeMessage): readonly number[]
  learn?(schema: number): Promise<void>
  decode(message: ChangeMessage, out: ChangeCollector): void
}
