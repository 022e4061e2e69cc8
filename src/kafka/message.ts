import { encodeHeaders, type RecordParts } from '../clients/kafka/index.ts'

/** Bytes, or text that is sent as UTF-8. */
export type Bytes = Uint8Array | string

/** A message to send. */
export interface Message {
  readonly topic: string
  /** `null` deletes the key in a compacted topic. */
  readonly value: Bytes | null
  readonly key?: Bytes | null | undefined
  readonly headers?: Readonly<Record<string, Bytes | null>> | undefined
  /** Default: what the producer's partitioner says. */
  readonly partition?: number | undefined
  /** Milliseconds since 1970; default: now. */
  readonly timestampMs?: number | undefined
}

/** Where a message was stored. */
export interface Stored {
  readonly topic: string
  readonly partition: number
  /** -1 where the broker recognised a repeat and no longer knows. */
  readonly offset: bigint
}

const NOTHING = Buffer.alloc(0)
const NO_HEADERS = encodeHeaders([])

export function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes
}

/** Puts a message into parts that are used again and again. */
export function fillParts(parts: RecordParts, message: Message, key: Uint8Array | null, nowMs: number): void {
  const value = message.value === null ? NOTHING : toBytes(message.value)
  parts.value = value
  parts.valueTo = message.value === null ? -1 : value.length
  parts.key = key ?? NOTHING
  parts.keyTo = key === null ? -1 : key.length
  parts.timestampMs = message.timestampMs ?? nowMs
  parts.headers = message.headers === undefined ? NO_HEADERS : headersOf(message.headers)
  parts.headersTo = parts.headers.length
}

function headersOf(headers: NonNullable<Message['headers']>): Buffer {
  return encodeHeaders(
    Object.entries(headers).map(([name, value]) => [name, value === null ? null : toBytes(value)] as const),
  )
}
