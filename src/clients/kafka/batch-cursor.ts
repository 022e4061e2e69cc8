import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { AbortedTransaction } from './apis/fetch.ts'
import { Decompressor, discard } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { gatherBatchRecords } from './gather-records.ts'
import { gatherBatchValues } from './gather-values.ts'
import type { OpenBatch, Stop } from './open-batch.ts'
import { AbortedFilter, BATCH, batchSizeAt, readBatchHeader, type BatchHeader } from './record-batch.ts'
import type { RecordTarget } from './record-target.ts'
import { readRecord, type KafkaRecord } from './single-record.ts'
import type { ValueTarget } from './value-target.ts'

const POISON = {
  'null value': 'no value',
  'empty value': 'an empty value',
  'line break': 'a line break in its value',
} as const

/** Bytes of one partition as they were fetched, and what belongs to them. */
export interface FetchedBytes {
  readonly topic: string
  readonly partition: number
  readonly records: Buffer
  /** First wanted offset: the first batch may begin before it. */
  readonly from: bigint
  readonly aborted: readonly AbortedTransaction[]
}

/**
 * Reads fetched record batches into a caller's buffers, in pieces of any size: when a target is full the next call goes
 * on in the middle of the batch.
 *
 *     cursor.load(fetched, until)
 *     while (!cursor.isDone) { cursor.gatherValues(target); hand over target; cursor.offset is where to resume }
 *
 * Every batch's CRC-32C is checked. Damage is a `DECODE` error with topic, partition and offset; a record that cannot
 * be gathered is a `POISON` error with its position, everything before it is in the target, and `skip()` passes over it.
 * Markers of transactions and records that were rolled back are never seen.
 */
export class BatchCursor {
  readonly #decompressor = new Decompressor()
  #topic = ''
  #partition = 0
  #bytes: Buffer = Buffer.alloc(0)
  #position = 0
  #offset = 0n
  #until: bigint | undefined
  #filter = new AbortedFilter([])
  #batch: OpenBatch | undefined
  #newestMs: number | undefined
  #isDone = true

  /** Starts with other bytes. `until` is the first offset that is not wanted. */
  load(fetched: FetchedBytes, until?: bigint): void {
    this.#dropBatch()
    this.#topic = fetched.topic
    this.#partition = fetched.partition
    this.#bytes = fetched.records
    this.#position = 0
    this.#offset = fetched.from
    this.#until = until
    this.#filter = new AbortedFilter(fetched.aborted)
    this.#newestMs = undefined
    this.#isDone = false
  }

  /** The offset after everything that was gathered or passed over: where a restart has to go on. */
  get offset(): bigint {
    return this.#offset
  }

  /** The largest timestamp of the record batch that was opened last, milliseconds since the epoch; absent: it has none. */
  get newestMs(): number | undefined {
    return this.#newestMs
  }

  /** All bytes are read, or `until` is reached. The bytes may then be given back. */
  get isDone(): boolean {
    return this.#isDone
  }

  /**
   * Appends values to the target until it is full or the bytes are read; returns the number of values. None into an
   * empty target that is not done means that the next value is larger than the target: see `nextValueBytes`.
   */
  gatherValues(target: ValueTarget): number {
    const before = target.rows
    this.#gather((batch) => gatherBatchValues(batch, target))
    return target.rows - before
  }

  /** As `gatherValues`, with offsets, timestamps, keys and headers in columns beside the values. */
  gatherRecords(target: RecordTarget): number {
    const before = target.rows
    this.#gather((batch) => gatherBatchRecords(batch, target))
    return target.rows - before
  }

  /** Reads the record at `offset` on its own and passes over it: for dead letters. */
  skip(): KafkaRecord {
    const batch = this.#batch
    assert(batch !== undefined && batch.left > 0, 'only a record at which gathering stopped can be skipped')
    const record = this.#decoding(() => readRecord(batch))
    this.#offset = record.offset + 1n
    return record
  }

  /** Bytes of the next value, separator not included; for a target that turned out too small. */
  nextValueBytes(): number {
    const batch = this.#batch
    if (batch === undefined || batch.left === 0) return 0
    return this.#decoding(() => readRecord({ ...batch })).value?.length ?? 0
  }

  #gather(step: (batch: OpenBatch) => Stop): void {
    for (;;) {
      const batch = this.#batch ?? this.#openNext()
      if (batch === undefined) return
      const stop = this.#decoding(() => step(batch))
      this.#offset = maxOf(this.#offset, batch.baseOffset + BigInt(batch.nextDelta))
      if (stop === 'full') return
      if (stop === 'until') return this.#reachUntil()
      if (stop !== 'end') throw this.#poison(stop, batch)
      if (batch.at !== batch.limit) throw this.#damage('a record batch is longer than its records')
      this.#close(batch.nextOffset)
    }
  }

  /** Opens the next batch that has records for us. */
  #openNext(): OpenBatch | undefined {
    while (!this.#isDone) {
      const size = batchSizeAt(this.#bytes, this.#position)
      // The broker cuts the last batch off where the byte limit lies; it comes again with the next fetch.
      if (size === undefined) return this.#finish()
      const header = this.#header(size)
      this.#position = header.end
      if (this.#until !== undefined && header.baseOffset >= this.#until) return this.#reachUntil()
      const next = header.baseOffset + BigInt(header.lastOffsetDelta) + 1n
      const isSkipped = this.#filter.skips(header, (control) => this.#isAbortMarker(control))
      if (isSkipped || next <= this.#offset || header.recordCount === 0) this.#close(next)
      else return (this.#batch = this.#open(header, next))
    }
    return undefined
  }

  #header(size: number): BatchHeader {
    const start = this.#position
    if (size < BATCH.RECORDS) throw this.#damage(`a record batch of ${size} bytes is shorter than its header`)
    const magic = this.#bytes.readInt8(start + BATCH.MAGIC)
    if (magic !== 2) throw this.#damage(`message format ${magic} is not supported: only 2 is (Kafka 0.11 and later)`)
    const header = readBatchHeader(this.#bytes, start, size)
    const crc = crc32c(this.#bytes.subarray(start + BATCH.ATTRIBUTES, header.end))
    if (crc !== this.#bytes.readUInt32BE(start + BATCH.CRC))
      throw this.#damage('the checksum of a record batch does not match')
    if (header.lastOffsetDelta < 0 || header.recordCount < 0) throw this.#damage('a record batch has a negative count')
    return header
  }

  #open(header: BatchHeader, nextOffset: bigint): OpenBatch {
    const { baseOffset, codec, recordCount } = header
    if (codec === undefined) throw this.#damage('a record batch has an unknown codec')
    const payload =
      codec === 'none'
        ? this.#bytes
        : this.#decoding(() =>
            this.#decompressor.decompress(codec, this.#bytes.subarray(header.start + BATCH.RECORDS, header.end)),
          )
    // Minus one stands for no timestamp.
    this.#newestMs = header.maxTimestamp < 0n ? undefined : Number(header.maxTimestamp)
    const from = this.#offset - baseOffset
    const until = this.#until === undefined ? undefined : this.#until - baseOffset
    return {
      payload,
      at: codec === 'none' ? header.start + BATCH.RECORDS : 0,
      limit: codec === 'none' ? header.end : payload.length,
      left: recordCount,
      baseOffset,
      nextDelta: 0,
      fromDelta: from > 0n ? Number(from) : 0,
      untilDelta: until === undefined ? 2 ** 31 : Number(until),
      lastDelta: header.lastOffsetDelta,
      nextOffset,
      isLogAppendTime: header.isLogAppendTime,
      baseTimestamp: header.baseTimestamp,
      maxTimestamp: header.maxTimestamp,
    }
  }

  /** A control record's key is version i16, type i16, and type 0 means abort. Markers are never compressed. */
  #isAbortMarker(batch: BatchHeader): boolean {
    if (batch.recordCount < 1) return false
    const record = this.#decoding(() => readRecord({ ...this.#open(batch, 0n), fromDelta: 0 }))
    return record.key !== null && record.key.length >= 4 && record.key.readInt16BE(2) === 0
  }

  #close(next: bigint): void {
    this.#dropBatch()
    if (this.#until !== undefined && next >= this.#until) this.#reachUntil()
    else this.#offset = maxOf(this.#offset, next)
  }

  /** Everything before `until` was seen, also when the offsets just before it have no record. */
  #reachUntil(): undefined {
    this.#offset = maxOf(this.#offset, this.#until ?? this.#offset)
    return this.#finish()
  }

  #finish(): undefined {
    this.#isDone = true
    this.#dropBatch()
  }

  #dropBatch(): void {
    const payload = this.#batch?.payload
    this.#batch = undefined
    if (payload !== undefined && payload !== this.#bytes) discard(payload)
  }

  #decoding<T>(step: () => T): T {
    try {
      return step()
    } catch (error) {
      if (error instanceof MillraceError) throw error
      throw this.#damage(error instanceof Error ? error.message : String(error), error)
    }
  }

  #damage(what: string, cause?: unknown): MillraceError {
    const message = `reading ${this.#topic} partition ${this.#partition} at offset ${this.#offset}: ${what}`
    return new MillraceError(message, { code: 'DECODE', cause, detail: this.#detail(this.#offset) })
  }

  #poison(what: keyof typeof POISON, batch: OpenBatch): MillraceError {
    const { offset } = this.#decoding(() => readRecord({ ...batch }))
    this.#offset = offset
    const message = `reading ${this.#topic} partition ${this.#partition} at offset ${offset}: the record has ${POISON[what]}, which cannot be passed on`
    return new MillraceError(message, { code: 'POISON', detail: { ...this.#detail(offset), reason: what } })
  }

  #detail(offset: bigint): { topic: string; partition: number; offset: string } {
    return { topic: this.#topic, partition: this.#partition, offset: String(offset) }
  }
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
