import type { ProducerIdentity } from './apis/transactions.ts'
import { CODECS, type Codec } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { BATCH, CONTROL, TRANSACTIONAL } from './record-batch.ts'

export interface BatchOptions {
  readonly codec?: Codec
  /** With a sequence number the broker refuses repeats; needed in transactions. */
  readonly producer?: ProducerIdentity & { readonly baseSequence: number }
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** The broker sets offsets itself; given only for bytes that no broker sees. */
  readonly baseOffset?: bigint
}

/** What the header says about the records behind it. */
export interface BatchContent {
  readonly count: number
  /** Milliseconds since 1970. */
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
}

/** Writes the header in front of records that stand in `batch` from `BATCH.RECORDS` to its end, compressed as it says. */
export function sealHeader(batch: Buffer, options: BatchOptions & BatchContent): void {
  const isTransactional = options.isTransactional === true ? TRANSACTIONAL : 0
  const isControl = options.isControl === true ? CONTROL : 0
  batch.writeBigInt64BE(options.baseOffset ?? 0n, BATCH.BASE_OFFSET)
  batch.writeInt32BE(batch.length - BATCH.AFTER_LENGTH, BATCH.LENGTH)
  batch.writeInt32BE(-1, BATCH.LEADER_EPOCH)
  batch.writeInt8(2, BATCH.MAGIC)
  batch.writeInt16BE(CODECS.indexOf(options.codec ?? 'none') | isTransactional | isControl, BATCH.ATTRIBUTES)
  batch.writeInt32BE(options.count - 1, BATCH.LAST_OFFSET_DELTA)
  batch.writeBigInt64BE(options.baseTimestamp, BATCH.BASE_TIMESTAMP)
  batch.writeBigInt64BE(options.maxTimestamp, BATCH.MAX_TIMESTAMP)
  batch.writeBigInt64BE(options.producer?.producerId ?? -1n, BATCH.PRODUCER_ID)
  batch.writeInt16BE(options.producer?.producerEpoch ?? -1, BATCH.PRODUCER_EPOCH)
  batch.writeInt32BE(options.producer?.baseSequence ?? -1, BATCH.BASE_SEQUENCE)
  batch.writeInt32BE(options.count, BATCH.RECORD_COUNT)
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH.ATTRIBUTES)), BATCH.CRC)
}
