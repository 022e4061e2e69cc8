import { assert } from '../../core/assert.ts'
import { sealHeader, type BatchOptions } from './batch-header.ts'
import { compressWith } from './compressors.ts'
import { BATCH } from './record-batch.ts'
import { varintSize, writeVarint, writeVarlong } from './varint.ts'

export interface OutgoingHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface OutgoingRecord {
  readonly key?: Uint8Array | null
  readonly value: Uint8Array | null
  /** Milliseconds since 1970; the time of encoding when left out. */
  readonly timestampMs?: bigint
  readonly headers?: readonly OutgoingHeader[]
}

const MAX_RECORD_OVERHEAD = 40

/** Encodes one record batch. LZ4 and snappy have to be loaded before: `loadCodec`. */
export function encodeBatch(records: readonly OutgoingRecord[], options: BatchOptions = {}): Buffer {
  assert(records.length > 0, 'a record batch has records')
  const now = BigInt(Date.now())
  const base = records[0]?.timestampMs ?? now
  let maxTimestamp = base
  const body = new RecordWriter(records.reduce((sum, record) => sum + sizeBound(record), 0))
  records.forEach((record, delta) => {
    const timestamp = record.timestampMs ?? now
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    body.record(record, delta, timestamp - base)
  })
  return sealBatch(body.bytes(), { ...options, count: records.length, baseTimestamp: base, maxTimestamp })
}

/**
 * Encodes values that lie behind each other in one buffer, without keys and headers: the quick way to fill a topic.
 * `ends` says where each value ends; the next one starts `gap` bytes later.
 */
export function encodeValues(
  values: {
    readonly bytes: Buffer
    readonly ends: readonly number[]
    readonly gap: number
    readonly timestampMs: bigint
  },
  options: BatchOptions = {},
): Buffer {
  const body = new RecordWriter(values.bytes.length + values.ends.length * MAX_RECORD_OVERHEAD)
  let start = 0
  values.ends.forEach((end, delta) => {
    body.value(values.bytes, start, end, delta)
    start = end + values.gap
  })
  const { timestampMs } = values
  return sealBatch(body.bytes(), {
    ...options,
    count: values.ends.length,
    baseTimestamp: timestampMs,
    maxTimestamp: timestampMs,
  })
}

function sealBatch(
  records: Buffer,
  options: BatchOptions & { readonly count: number; readonly baseTimestamp: bigint; readonly maxTimestamp: bigint },
): Buffer {
  const codec = options.codec ?? 'none'
  const payload = compressWith(codec, records)
  const batch = Buffer.allocUnsafe(BATCH.RECORDS + payload.length)
  payload.copy(batch, BATCH.RECORDS)
  sealHeader(batch, { ...options, codec })
  return batch
}

function sizeBound(record: OutgoingRecord): number {
  const headers = record.headers ?? []
  const headerBytes = headers.reduce((sum, { key, value }) => sum + key.length * 3 + (value?.length ?? 0) + 10, 0)
  return MAX_RECORD_OVERHEAD + (record.key?.length ?? 0) + (record.value?.length ?? 0) + headerBytes
}

/** Writes records into a buffer that is large enough from the start. */
class RecordWriter {
  readonly #buffer: Buffer
  #at = 0

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  record(record: OutgoingRecord, delta: number, timestampDelta: bigint): void {
    // The length stands first but is known last: the record is written after room for it, then moved up.
    const start = this.#at
    this.#at += 5
    this.#buffer[this.#at++] = 0
    this.#varlong(timestampDelta)
    this.#varint(delta)
    this.#field(record.key ?? null)
    this.#field(record.value)
    const headers = record.headers ?? []
    this.#varint(headers.length)
    for (const { key, value } of headers) {
      this.#field(Buffer.from(key, 'utf8'))
      this.#field(value)
    }
    const end = this.#at
    this.#at = start
    this.#varint(end - start - 5)
    this.#buffer.copyWithin(this.#at, start + 5, end)
    this.#at += end - start - 5
  }

  value(source: Buffer, from: number, to: number, delta: number): void {
    const size = to - from
    this.#varint(4 + varintSize(delta) + varintSize(size) + size)
    this.#buffer[this.#at++] = 0
    this.#buffer[this.#at++] = 0
    this.#varint(delta)
    this.#buffer[this.#at++] = 1 // no key
    this.#varint(size)
    this.#at += source.copy(this.#buffer, this.#at, from, to)
    this.#buffer[this.#at++] = 0
  }

  #field(value: Uint8Array | null): void {
    this.#varint(value === null ? -1 : value.length)
    if (value === null) return
    this.#buffer.set(value, this.#at)
    this.#at += value.length
  }

  #varint(value: number): void {
    this.#at = writeVarint(this.#buffer, this.#at, value)
  }

  #varlong(value: bigint): void {
    this.#at = writeVarlong(this.#buffer, this.#at, value)
  }
}
