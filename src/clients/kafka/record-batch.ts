import { assert } from '../../core/assert.ts'
import type { AbortedTransaction } from './apis/fetch.ts'
import { CODECS, type Codec } from './compression.ts'

/**
 * A record batch, message format 2 (kafka.apache.org/documentation, "Record Batch"), big endian:
 *
 *    0 baseOffset i64      12 leaderEpoch i32   21 attributes i16       35 maxTimestamp i64   53 baseSequence i32
 *    8 batchLength i32     16 magic i8 = 2      23 lastOffsetDelta i32  43 producerId i64     57 recordCount i32
 *                          17 crc u32           27 baseTimestamp i64    51 producerEpoch i16  61 records
 *
 * batchLength counts from byte 12. The CRC-32C covers byte 21 to the end. Attributes: bits 0–2 codec, 3 timestamp type,
 * 4 transactional, 5 control. The records are compressed as one block.
 */
export const BATCH = {
  BASE_OFFSET: 0,
  LENGTH: 8,
  AFTER_LENGTH: 12,
  LEADER_EPOCH: 12,
  MAGIC: 16,
  CRC: 17,
  ATTRIBUTES: 21,
  LAST_OFFSET_DELTA: 23,
  BASE_TIMESTAMP: 27,
  MAX_TIMESTAMP: 35,
  PRODUCER_ID: 43,
  PRODUCER_EPOCH: 51,
  BASE_SEQUENCE: 53,
  RECORD_COUNT: 57,
  RECORDS: 61,
} as const

export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
const LOG_APPEND_TIME = 0x08

export interface BatchHeader {
  readonly start: number
  readonly end: number
  readonly baseOffset: bigint
  readonly lastOffsetDelta: number
  readonly codec: Codec | undefined
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** The broker's clock: all records carry `maxTimestamp`. */
  readonly isLogAppendTime: boolean
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
  readonly producerId: bigint
  readonly recordCount: number
}

/** How many bytes the batch at `at` has, or `undefined` when the rest of the bytes does not hold all of it. */
export function batchSizeAt(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < BATCH.AFTER_LENGTH) return undefined
  const size = BATCH.AFTER_LENGTH + bytes.readInt32BE(at + BATCH.LENGTH)
  return size > bytes.length - at ? undefined : size
}

/** Reads the header of a batch that is complete and has format 2; the caller has checked both. */
export function readBatchHeader(bytes: Buffer, start: number, size: number): BatchHeader {
  assert(size >= BATCH.RECORDS && start + size <= bytes.length, 'a batch header is only read from a complete batch')
  const attributes = bytes.readInt16BE(start + BATCH.ATTRIBUTES)
  return {
    start,
    end: start + size,
    baseOffset: bytes.readBigInt64BE(start),
    lastOffsetDelta: bytes.readInt32BE(start + BATCH.LAST_OFFSET_DELTA),
    codec: CODECS[attributes & 7],
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    isLogAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    baseTimestamp: bytes.readBigInt64BE(start + BATCH.BASE_TIMESTAMP),
    maxTimestamp: bytes.readBigInt64BE(start + BATCH.MAX_TIMESTAMP),
    producerId: bytes.readBigInt64BE(start + BATCH.PRODUCER_ID),
    recordCount: bytes.readInt32BE(start + BATCH.RECORD_COUNT),
  }
}

/**
 * The offset to fetch next after these batches, from their headers alone: the end of the last complete batch, or `from`
 * when there is none. Compaction and markers leave gaps, so records do not count here. Stops at damage: whoever decodes
 * the records reports it.
 */
export function offsetAfter(bytes: Buffer, from: bigint): bigint {
  let next = from
  for (let at = 0; ;) {
    const size = batchSizeAt(bytes, at)
    if (size === undefined || size < BATCH.RECORDS) return next
    const end = bytes.readBigInt64BE(at) + BigInt(bytes.readInt32BE(at + BATCH.LAST_OFFSET_DELTA)) + 1n
    if (end > next) next = end
    at += size
  }
}

/**
 * Tells which batches of one fetched partition belong to transactions that were rolled back (after Apache Kafka's
 * CompletedFetch.nextFetchedRecord). The broker's list covers everything that overlaps the returned range, so nothing
 * is carried from one response to the next.
 */
export class AbortedFilter {
  readonly #waiting: AbortedTransaction[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = aborted.toSorted((a, b) =>
      a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0,
    )
  }

  /** Must see every batch in order. True: the batch carries no records for a reader of committed data. */
  skips(batch: BatchHeader, isAbortMarker: (batch: BatchHeader) => boolean): boolean {
    if (batch.producerId < 0n) return batch.isControl
    const lastOffset = batch.baseOffset + BigInt(batch.lastOffsetDelta)
    for (
      let first = this.#waiting[0];
      first !== undefined && first.firstOffset <= lastOffset;
      first = this.#waiting[0]
    ) {
      this.#open.add(first.producerId)
      this.#waiting.shift()
    }
    if (batch.isControl) {
      if (this.#open.has(batch.producerId) && isAbortMarker(batch)) this.#open.delete(batch.producerId)
      return true
    }
    return batch.isTransactional && this.#open.has(batch.producerId)
  }
}
