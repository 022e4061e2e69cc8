import { assert } from '../../core/assert.ts'
import { sealHeader, type BatchOptions } from './batch-header.ts'
import { compressWith } from './compressors.ts'
import { BATCH } from './record-batch.ts'
import { varintSize, writeVarint, writeVarlong } from './varint.ts'

/** Length, attributes, timestamp, offset, key and value lengths and the number of headers, at their longest. */
const OVERHEAD_MAX = 36
/** Up to here a loop copies faster than a call. */
const SMALL_BYTES = 24
const NO_HEADERS = Buffer.from([0])

/**
 * One record as pieces of buffers. Whoever encodes many keeps one of these and changes it: there is no object for each
 * record.
 */
export interface RecordParts {
  value: Uint8Array
  valueFrom: number
  /** -1: the value is null (a tombstone). */
  valueTo: number
  key: Uint8Array
  keyFrom: number
  /** -1: there is no key. */
  keyTo: number
  /** As on the wire (`encodeHeaders`): the number of headers, then each one. */
  headers: Uint8Array
  headersFrom: number
  headersTo: number
  /** Milliseconds since 1970. */
  timestampMs: number
}

/** Parts without key, value and headers. */
export function emptyParts(): RecordParts {
  const key = NO_HEADERS
  const nothing = { value: key, valueFrom: 0, valueTo: -1, key, keyFrom: 0, keyTo: -1 }
  return { ...nothing, headers: NO_HEADERS, headersFrom: 0, headersTo: 1, timestampMs: 0 }
}

/**
 * Fills one record batch. The buffer is used again after `reset`, which may be called when the sealed bytes are no longer
 * needed.
 */
export class BatchBuilder {
  #buffer: Buffer
  #at: number = BATCH.RECORDS
  #count = 0
  #baseMs = 0
  #maxMs = 0

  /** `bytesMax`: size of the batch, its header included. A single record that is larger gets a larger buffer. */
  constructor(bytesMax: number) {
    this.#buffer = Buffer.allocUnsafeSlow(bytesMax)
  }

  get count(): number {
    return this.#count
  }

  /** Bytes so far, not compressed. */
  get bytes(): number {
    return this.#at
  }

  /** Memory that it holds. */
  get capacity(): number {
    return this.#buffer.length
  }

  /** Appends a value without key and headers; false when it does not fit. */
  addValue(source: Buffer, from: number, to: number, timestampMs: number): boolean {
    const size = to - from
    if (!this.#makeRoom(size)) return false
    if (this.#count === 0) this.#baseMs = this.#maxMs = timestampMs
    else if (timestampMs !== this.#baseMs) return this.#addParts(valueParts(source, from, to, timestampMs))
    const buffer = this.#buffer
    const delta = this.#count
    let at = writeVarint(buffer, this.#at, 4 + varintSize(delta) + varintSize(size) + size)
    buffer[at++] = 0 // attributes
    buffer[at++] = 0 // the timestamp of the first record
    at = writeVarint(buffer, at, delta)
    buffer[at++] = 1 // no key
    at = writeVarint(buffer, at, size)
    at += source.copy(buffer, at, from, to)
    buffer[at++] = 0 // no headers
    this.#at = at
    this.#count = delta + 1
    return true
  }

  /** Appends a record; false when it does not fit. */
  add(parts: RecordParts): boolean {
    if (!this.#makeRoom(sizeOf(parts))) return false
    if (this.#count === 0) this.#baseMs = this.#maxMs = parts.timestampMs
    return this.#addParts(parts)
  }

  /** The finished batch. Not compressed it is a view of the buffer, and must be sent before `reset`. */
  seal(options: BatchOptions): Buffer {
    assert(this.#count > 0, 'a record batch has records')
    const codec = options.codec ?? 'none'
    const batch = codec === 'none' ? this.#buffer.subarray(0, this.#at) : this.#compressed(codec)
    const content = { count: this.#count, baseTimestamp: BigInt(this.#baseMs), maxTimestamp: BigInt(this.#maxMs) }
    sealHeader(batch, { ...options, ...content })
    return batch
  }

  reset(): void {
    this.#at = BATCH.RECORDS
    this.#count = 0
  }

  #addParts(parts: RecordParts): true {
    const { key, keyFrom, keyTo, value, valueFrom, valueTo, headers, headersFrom, headersTo, timestampMs } = parts
    const buffer = this.#buffer
    const delta = this.#count
    const timestampDelta = timestampMs - this.#baseMs
    const keySize = keyTo < 0 ? 0 : keyTo - keyFrom
    const valueSize = valueTo < 0 ? 0 : valueTo - valueFrom
    const size =
      1 +
      varlongSize(timestampDelta) +
      varintSize(delta) +
      (keyTo < 0 ? 1 : varintSize(keySize) + keySize) +
      (valueTo < 0 ? 1 : varintSize(valueSize) + valueSize) +
      (headersTo - headersFrom)
    let at = writeVarint(buffer, this.#at, size)
    const start = at
    buffer[at++] = 0
    at = isSmall(timestampDelta)
      ? writeVarint(buffer, at, timestampDelta)
      : writeVarlong(buffer, at, BigInt(timestampDelta))
    at = writeVarint(buffer, at, delta)
    at = writeField(buffer, at, key, keyFrom, keyTo)
    at = writeField(buffer, at, value, valueFrom, valueTo)
    for (let from = headersFrom; from < headersTo; from++) buffer[at++] = headers[from] ?? 0
    assert(at - start === size, 'a record is as long as it says')
    this.#at = at
    this.#count = delta + 1
    if (timestampMs > this.#maxMs) this.#maxMs = timestampMs
    return true
  }

  /** False where a batch that has records is full. The first record of a batch always fits. */
  #makeRoom(size: number): boolean {
    const needed = this.#at + size + OVERHEAD_MAX
    if (needed <= this.#buffer.length) return true
    if (this.#count > 0) return false
    this.#buffer = Buffer.allocUnsafeSlow(needed)
    return true
  }

  #compressed(codec: NonNullable<BatchOptions['codec']>): Buffer {
    const payload = compressWith(codec, this.#buffer.subarray(BATCH.RECORDS, this.#at))
    const batch = Buffer.allocUnsafe(BATCH.RECORDS + payload.length)
    payload.copy(batch, BATCH.RECORDS)
    return batch
  }
}

/** Headers as they stand in a record. */
export function encodeHeaders(headers: readonly (readonly [name: string, value: Uint8Array | null])[]): Buffer {
  const named = headers.map(([name, value]) => [Buffer.from(name, 'utf8'), value] as const)
  const bytes = Buffer.allocUnsafe(
    named.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0) + 10, 5),
  )
  let at = writeVarint(bytes, 0, named.length)
  for (const [name, value] of named) {
    at = writeField(bytes, at, name, 0, name.length)
    at = value === null ? writeField(bytes, at, name, 0, -1) : writeField(bytes, at, value, 0, value.length)
  }
  return bytes.subarray(0, at)
}

function writeField(target: Buffer, start: number, source: Uint8Array, from: number, to: number): number {
  if (to < 0) return writeVarint(target, start, -1)
  let at = writeVarint(target, start, to - from)
  if (to - from <= SMALL_BYTES) {
    for (let index = from; index < to; index++) target[at++] = source[index] ?? 0
    return at
  }
  // Without a view, which takes as long as the copy of such a field.
  if (Buffer.isBuffer(source)) source.copy(target, at, from, to)
  else target.set(source.subarray(from, to), at)
  return at + to - from
}

function sizeOf(parts: RecordParts): number {
  const { keyFrom, keyTo, valueFrom, valueTo, headersFrom, headersTo } = parts
  return Math.max(0, keyTo - keyFrom) + Math.max(0, valueTo - valueFrom) + headersTo - headersFrom
}

function valueParts(value: Buffer, valueFrom: number, valueTo: number, timestampMs: number): RecordParts {
  return { ...emptyParts(), value, valueFrom, valueTo, timestampMs }
}

function isSmall(value: number): boolean {
  return value >= -0x40000000 && value < 0x40000000
}

function varlongSize(value: number): number {
  if (isSmall(value)) return varintSize(value < 0 ? -value - 1 : value)
  let size = 1
  for (let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n)); rest >= 0x80n; rest >>= 7n) size++
  return size
}
