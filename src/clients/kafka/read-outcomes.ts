import { MillraceError } from '../../core/errors.ts'
import type { KafkaClient, TopicPartition } from './client.ts'
import { Decompressor } from './compression.ts'
import { FetchSession } from './fetch-session.ts'
import { BATCH, batchSizeAt, readBatchHeader, type BatchHeader } from './record-batch.ts'
import { readRecord, type KafkaRecord } from './single-record.ts'

/** A record of a transaction, and what became of the transaction. */
export interface RecordOutcome {
  readonly record: KafkaRecord
  readonly producerId: bigint
  readonly outcome: 'committed' | 'aborted' | 'open'
  /** The broker's time of the marker, in milliseconds since 1970; undefined while there is none. */
  readonly endedAtMs: bigint | undefined
}

interface Undecided {
  readonly batch: BatchHeader
  readonly records: readonly KafkaRecord[]
}

/**
 * Reads the transactional records of a partition from its beginning to the end that it has now, with what the markers
 * behind them say. A reader of committed data would have to wait: it sees nothing behind the first transaction that is
 * still open, whoever it belongs to.
 */
export async function readOutcomes(client: KafkaClient, at: TopicPartition): Promise<RecordOutcome[]> {
  const [topic] = await client.topics([at.topic])
  const [first = 0n] = await client.listOffsets([at], 'earliest', 'uncommitted')
  const [end = 0n] = await client.listOffsets([at], 'latest', 'uncommitted')
  const [stable = 0n] = await client.listOffsets([at], 'latest', 'committed')
  const found: RecordOutcome[] = []
  const undecided = new Map<bigint, Undecided[]>()
  await using session = new FetchSession(client, { isolation: 'uncommitted' })
  session.assign([{ ...at, topicId: topic?.topicId ?? '', offset: first }])
  for (let next = first; next < end;) {
    const response = await session.poll()
    if (response === undefined) break
    for (const { records, next: after } of response.partitions) {
      take(records, end, undecided, found)
      next = after
    }
    response.release()
  }
  for (const [producerId, batches] of undecided) {
    for (const { batch, records } of batches) {
      // Compaction may remove a marker of a commit, never one of an abort before the records that it is about.
      const outcome = batch.baseOffset < stable ? 'committed' : 'open'
      found.push(...records.map((record) => ({ record, producerId, outcome, endedAtMs: undefined }) as const))
    }
  }
  return found
}

function take(bytes: Buffer, end: bigint, undecided: Map<bigint, Undecided[]>, found: RecordOutcome[]): void {
  for (let at = 0; ;) {
    const size = batchSizeAt(bytes, at)
    if (size === undefined) return
    if (size < BATCH.RECORDS || bytes.readInt8(at + BATCH.MAGIC) !== 2) throw damaged(at)
    const batch = readBatchHeader(bytes, at, size)
    at += size
    if (batch.baseOffset >= end) return
    if (!batch.isTransactional) continue
    const before = undecided.get(batch.producerId) ?? []
    if (!batch.isControl) {
      undecided.set(batch.producerId, [...before, { batch, records: recordsOf(bytes, batch) }])
      continue
    }
    undecided.delete(batch.producerId)
    const [marker] = recordsOf(bytes, batch)
    const outcome = marker?.key?.readInt16BE(2) === 1 ? 'committed' : 'aborted'
    const ended = { producerId: batch.producerId, outcome, endedAtMs: batch.maxTimestamp } as const
    for (const { records } of before) found.push(...records.map((record) => ({ record, ...ended })))
  }
}

const decompressor = new Decompressor()

function recordsOf(bytes: Buffer, batch: BatchHeader): KafkaRecord[] {
  const { codec, recordCount } = batch
  if (codec === undefined) throw damaged(batch.start)
  const stored = bytes.subarray(batch.start + BATCH.RECORDS, batch.end)
  const payload = decompressor.decompress(codec, stored)
  const open = {
    ...batch,
    payload,
    at: 0,
    limit: payload.length,
    left: recordCount,
    nextDelta: 0,
    fromDelta: 0,
    untilDelta: 2 ** 31,
    lastDelta: batch.lastOffsetDelta,
    nextOffset: 0n,
  }
  return Array.from({ length: recordCount }, () => readRecord(open))
}

function damaged(at: number): MillraceError {
  return new MillraceError(`reading outcomes of Kafka transactions: a record batch is damaged (at byte ${at})`, {
    code: 'DECODE',
  })
}
