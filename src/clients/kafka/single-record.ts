import type { OpenBatch } from './open-batch.ts'
import { readVarint, readVarlong, varintEnd } from './varint.ts'

export interface KafkaHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** One record on its own: for dead letters, markers and tools. The gather loops never make one. */
export interface KafkaRecord {
  readonly offset: bigint
  /** Milliseconds since 1970. */
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
}

/** Reads the next wanted record of a batch and advances it. Keys and values are copies. `RangeError` for damage. */
export function readRecord(batch: OpenBatch): KafkaRecord {
  for (;;) {
    const size = readVarint(batch.payload, batch.at)
    const start = varintEnd
    const end = start + size
    if (batch.left <= 0 || !(size >= 6 && end <= batch.limit)) throw new RangeError('a record is longer than its batch')
    const timestampDelta = readVarlong(batch.payload, start + 1)
    const delta = readVarint(batch.payload, varintEnd)
    const at = varintEnd
    batch.at = end
    batch.left--
    batch.nextDelta = delta + 1
    if (delta < batch.fromDelta) continue
    const [key, afterKey] = readBytes(batch.payload, at, end)
    const [value, afterValue] = readBytes(batch.payload, afterKey, end)
    return {
      offset: batch.baseOffset + BigInt(delta),
      timestampMs: batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp + timestampDelta,
      key,
      value,
      headers: parseHeaders(batch.payload.subarray(afterValue, end)),
    }
  }
}

/** Decodes the headers of a record from their bytes on the wire, which `RecordTarget.headers` keeps. */
export function parseHeaders(bytes: Buffer): KafkaHeader[] {
  const count = readVarint(bytes, 0)
  let at = varintEnd
  if (!(count >= 0 && count <= bytes.length && at <= bytes.length))
    throw new RangeError(`a record has ${count} headers`)
  const headers: KafkaHeader[] = []
  for (let left = count; left > 0; left--) {
    const [key, afterKey] = readBytes(bytes, at, bytes.length)
    const [value, afterValue] = readBytes(bytes, afterKey, bytes.length)
    headers.push({ key: key?.toString('utf8') ?? '', value })
    at = afterValue
  }
  return headers
}

function readBytes(bytes: Buffer, at: number, end: number): [bytes: Buffer | null, after: number] {
  const size = readVarint(bytes, at)
  const start = varintEnd
  if (!(start <= end && start + size <= end)) throw new RangeError('a field is longer than its record')
  if (size < 0) return [null, start]
  return [Buffer.from(bytes.subarray(start, start + size)), start + size]
}
