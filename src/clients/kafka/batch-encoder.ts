import { gzipSync, zstdCompressSync } from 'node:zlib'
import { assert } from '../../core/assert.ts'
import type { ProducerIdentity } from './apis/transactions.ts'
import { CODECS, type Codec } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { BATCH, CONTROL, TRANSACTIONAL } from './record-batch.ts'

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

export interface BatchOptions {
  readonly codec?: Codec
  /** With a sequence number the broker refuses repeats; needed in transactions. */
  readonly producer?: ProducerIdentity & { readonly baseSequence: number }
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** The broker sets offsets itself; given only for bytes that no broker sees. */
  readonly baseOffset?: bigint
}

const MAX_RECORD_OVERHEAD = 40

/** Encodes one record batch. LZ4 and snappy come from `@platformatic/kafka`, so they must be loaded: `loadCodec`. */
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

type Compress = (input: Buffer) => Buffer
const compressors = new Map<Codec, Compress>([
  ['none', (input) => input],
  ['gzip', (input) => gzipSync(input)],
  ['zstd', (input) => zstdCompressSync(input)],
])

/** Makes a codec ready for `encodeBatch`. The library that has LZ4 and snappy takes 0.3 s to load, so it is not by itself. */
export async function loadCodec(codec: Codec): Promise<void> {
  if (compressors.has(codec)) return
  const { compressionsAlgorithms } = await import('@platformatic/kafka')
  const algorithm = compressionsAlgorithms[codec]
  compressors.set(codec, (input) => algorithm.compressSync(input))
}

function sealBatch(
  records: Buffer,
  options: BatchOptions & { readonly count: number; readonly baseTimestamp: bigint; readonly maxTimestamp: bigint },
): Buffer {
  const codec = options.codec ?? 'none'
  const compress = compressors.get(codec)
  assert(compress !== undefined, `codec ${codec} is loaded before a batch is encoded with it`)
  const payload = compress(records)
  const batch = Buffer.allocUnsafe(BATCH.RECORDS + payload.length)
  const isTransactional = options.isTransactional === true ? TRANSACTIONAL : 0
  const isControl = options.isControl === true ? CONTROL : 0
  batch.writeBigInt64BE(options.baseOffset ?? 0n, BATCH.BASE_OFFSET)
  batch.writeInt32BE(batch.length - BATCH.AFTER_LENGTH, BATCH.LENGTH)
  batch.writeInt32BE(-1, BATCH.LEADER_EPOCH)
  batch.writeInt8(2, BATCH.MAGIC)
  batch.writeInt16BE(CODECS.indexOf(codec) | isTransactional | isControl, BATCH.ATTRIBUTES)
  batch.writeInt32BE(options.count - 1, BATCH.LAST_OFFSET_DELTA)
  batch.writeBigInt64BE(options.baseTimestamp, BATCH.BASE_TIMESTAMP)
  batch.writeBigInt64BE(options.maxTimestamp, BATCH.MAX_TIMESTAMP)
  batch.writeBigInt64BE(options.producer?.producerId ?? -1n, BATCH.PRODUCER_ID)
  batch.writeInt16BE(options.producer?.producerEpoch ?? -1, BATCH.PRODUCER_EPOCH)
  batch.writeInt32BE(options.producer?.baseSequence ?? -1, BATCH.BASE_SEQUENCE)
  batch.writeInt32BE(options.count, BATCH.RECORD_COUNT)
  payload.copy(batch, BATCH.RECORDS)
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH.ATTRIBUTES)), BATCH.CRC)
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
    let rest = ((value << 1) ^ (value >> 31)) >>> 0
    for (; rest >= 0x80; rest >>>= 7) this.#buffer[this.#at++] = (rest & 0x7f) | 0x80
    this.#buffer[this.#at++] = rest
  }

  #varlong(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; rest >= 0x80n; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80
    this.#buffer[this.#at++] = Number(rest)
  }
}

/** For values that are not negative. */
function varintSize(value: number): number {
  return Math.max(1, Math.ceil((33 - Math.clz32(value)) / 7))
}
