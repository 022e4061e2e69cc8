import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import { MillraceError, toMillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { CutResult } from '../../../core/sink.ts'
import {
  fenceTransaction,
  KafkaTransaction,
  type BatchBuilder,
  type SequencedProducer,
} from '../../../clients/kafka/index.ts'
import { committableToJson, type KafkaTicket } from './committable.ts'
import type { RecordEncoder } from './encoder.ts'
import { transactionalId } from './names.ts'
import { PartitionRouter } from './partition-router.ts'
import { progressBatch, PROGRESS_PARTITION, type Progress } from './progress.ts'
import type { LaneProducer } from './lane-producer.ts'

/**
 * What one lane writes for one checkpoint: one transaction, begun by the first row. Records are sent as they come; those
 * of an earlier checkpoint go first, so that a partition holds the rows in their order.
 */
export class CheckpointRecords {
  readonly #producer: LaneProducer
  readonly #ticket: KafkaTicket
  readonly #earlier: Promise<unknown>
  readonly #sending = new Set<Promise<unknown>>()
  #opening: Promise<void> | undefined
  #target: KafkaTransaction | SequencedProducer | undefined
  #router: PartitionRouter | undefined
  #startedAtMs = 0
  #isPrepared = false
  #isDiscarded = false
  #failure: MillraceError | undefined
  #rows = 0
  #bytes = 0

  /** `earlier` settles when everything of the checkpoint before is sent. */
  constructor(producer: LaneProducer, ticket: KafkaTicket, earlier: Promise<unknown>) {
    this.#producer = producer
    this.#ticket = ticket
    this.#earlier = earlier
  }

  async write(batch: Batch, encoder: RecordEncoder): Promise<void> {
    try {
      this.#opening ??= this.#open()
      await this.#opening
      this.#throwFailure()
      assert(this.#router !== undefined, 'an open transaction has a router')
      await encoder.encode(batch, this.#router, this.#producer.now())
      this.#rows += batch.rows
      this.#bytes += batch.bytes
    } catch (thrown) {
      throw this.#explained(thrown)
    } finally {
      batch.release()
    }
    // While batches are on their way, the next one may as well become fuller.
    if (this.#sending.size === 0) this.#router.flush()
    await this.#producer.room()
    this.#throwFailure()
  }

  /** Sends the rest and waits until the brokers have all of it. */
  async prepare(): Promise<CutResult> {
    if (this.#opening === undefined || this.#rows === 0) return { committables: [], counts: { rows: 0, bytes: 0 } }
    try {
      await this.#opening
      failpoint('sink.flush', 'before')
      this.#router?.flush()
      await Promise.all(this.#sending)
      this.#throwFailure()
      failpoint('sink.flush', 'after')
      const counts = { rows: this.#rows, bytes: this.#bytes }
      if (!(this.#target instanceof KafkaTransaction)) return { committables: [], counts }
      failpoint('sink.prepare', 'before')
      await this.#proveProgress(this.#target)
      failpoint('sink.prepare', 'sent')
      this.#isPrepared = true
      const { handle } = this.#target
      const committable = { ...this.#ticket, handle, lane: this.#producer.lane, rows: this.#rows }
      return { committables: [committableToJson(committable)], counts }
    } catch (thrown) {
      throw this.#explained(thrown)
    }
  }

  /** Aborts what is open. What stays open all the same is found by its epoch at the next start. */
  async discard(): Promise<void> {
    this.#isDiscarded = true
    await this.#opening?.catch(() => undefined)
    await Promise.allSettled(this.#sending)
    if (!(this.#target instanceof KafkaTransaction) || this.#isPrepared) return
    await fenceTransaction(this.#producer.client, this.#target.handle.transactionalId).catch(() => undefined)
  }

  async #open(): Promise<void> {
    const { client, options, name, lane, transactionTimeoutMs, leaders } = this.#producer
    const partitions = await this.#producer.partitions()
    const id = transactionalId(name, { lane, epoch: this.#ticket.epoch, slot: this.#ticket.slot })
    this.#startedAtMs = this.#producer.now()
    this.#target =
      this.#producer.plain === undefined
        ? await KafkaTransaction.begin(client, id, transactionTimeoutMs, { codec: options.compression, leaders })
        : await this.#producer.plain
    this.#router = new PartitionRouter({
      partitions,
      first: this.#producer.nextPartition(),
      takeBuilder: () => this.#producer.takeBuilder(),
      ship: (partition, builder) => this.#ship(partition, builder),
    })
  }

  #ship(partition: number, builder: BatchBuilder): void {
    this.#producer.sent(builder)
    const sending = this.#earlier
      .then(async () => {
        if (this.#isDiscarded) return
        await this.#target?.sendBatch({ topic: this.#producer.options.topic, partition }, builder)
      })
      .catch((thrown: unknown) => void (this.#failure ??= this.#explained(thrown)))
      .finally(() => {
        this.#sending.delete(sending)
        this.#producer.settled(builder)
      })
    this.#sending.add(sending)
  }

  async #proveProgress(transaction: KafkaTransaction): Promise<void> {
    const { name, lane, options, transactionTimeoutMs } = this.#producer
    const { checkpoint, epoch } = this.#ticket
    const progress: Progress = { checkpoint, epoch, startedAtMs: this.#startedAtMs, timeoutMs: transactionTimeoutMs }
    const batch = progressBatch({ ...name, lane }, progress, this.#producer.now())
    await transaction.sendBatch({ topic: options.progressTopic, partition: PROGRESS_PARTITION }, batch)
  }

  #throwFailure(): void {
    if (this.#isDiscarded) {
      const message = 'writing to Kafka: the checkpoint was rolled back'
      throw new MillraceError(message, { code: 'INTERRUPTED', retry: 'restart' })
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** A broken transaction is never mended: its rows are read again from the checkpoint. */
  #explained(thrown: unknown): MillraceError {
    const error = toMillraceError(thrown)
    const kafka = String(error.detail['kafka'] ?? '')
    const { topic } = this.#producer.options
    if (/^(MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE|INVALID_RECORD)$/.test(kafka)) {
      const message = `${error.message}. Is it larger than max.message.bytes of ${topic}?`
      return new MillraceError(message, { code: 'POISON', detail: { kafka }, cause: thrown })
    }
    const isEnded = /^(INVALID_TXN_STATE|INVALID_PRODUCER_ID_MAPPING|UNKNOWN_PRODUCER_ID|OUT_OF_ORDER_SEQUENCE_NUMBER)$/
    if (error.code === 'FENCED' || isEnded.test(kafka)) {
      const message = `${error.message}. The transaction was ended before its checkpoint: by its time limit, or by somebody else`
      return new MillraceError(message, { code: 'UNAVAILABLE', retry: 'restart', detail: { kafka }, cause: thrown })
    }
    if (error.retry !== 'retry') return error
    return new MillraceError(error.message, { code: error.code, retry: 'restart', detail: error.detail, cause: thrown })
  }
}
