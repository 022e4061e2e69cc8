import { MillraceError } from '../../core/errors.ts'
import { isNullAt, type RecordTarget } from '../../clients/kafka/index.ts'
import type { ChangeMessage } from '../../formats/changes/index.ts'

const NO_BYTES = Buffer.alloc(0)

const message: { -readonly [K in keyof ChangeMessage]: ChangeMessage[K] } = {
  topic: '',
  buffer: NO_BYTES,
  from: 0,
  to: 0,
  isNull: false,
  keyBuffer: NO_BYTES,
  keyFrom: 0,
  keyTo: 0,
}

/** One object for all records: formats keep nothing of a message. */
export function messageAt(topic: string, target: RecordTarget, row: number): ChangeMessage {
  const { keys } = target
  message.topic = topic
  message.buffer = target.buffer
  message.from = row === 0 ? 0 : (target.ends[row - 1] ?? 0) + 1
  message.to = target.ends[row] ?? 0
  message.isNull = target.nulls !== undefined && isNullAt({ nulls: target.nulls }, row)
  message.keyBuffer = keys?.bytes ?? NO_BYTES
  message.keyFrom = keys === undefined || row === 0 ? 0 : (keys.ends[row - 1] ?? 0)
  message.keyTo = keys?.ends[row] ?? 0
  return message
}

/** A message that its format cannot read, with its place. */
export function noChange(
  reason: string,
  format: string,
  place: { readonly topic: string; readonly partition: number; readonly offset: string },
): MillraceError {
  return new MillraceError(
    `reading ${place.topic} partition ${place.partition} at offset ${place.offset}: the message is no ${format} change: ${reason}`,
    { code: 'POISON', detail: { ...place, reason } },
  )
}
