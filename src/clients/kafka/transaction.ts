import type { GroupMembership, GroupOffset } from './apis/groups.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  txnOffsetCommit,
  type ProducerIdentity,
} from './apis/transactions.ts'
import { BatchBuilder, emptyParts, encodeHeaders } from './batch-builder.ts'
import type { OutgoingRecord } from './batch-encoder.ts'
import type { KafkaClient } from './client.ts'
import type { Codec } from './compression.ts'
import { loadCodec } from './compressors.ts'
import { kafkaError } from './kafka-errors.ts'
import { PartitionLeaders } from './partition-leaders.ts'
import type { ProduceTarget } from './producer.ts'
import { initProducer, SequencedProducer } from './sequenced-producer.ts'

/** Enough to end a transaction from another process. */
export interface TransactionHandle extends ProducerIdentity {
  readonly transactionalId: string
}

export interface TransactionOptions {
  readonly codec?: Codec
  readonly deliveryTimeoutMs?: number
  /** Shared by the transactions of one writer. */
  readonly leaders?: PartitionLeaders
  /** Of the transaction before: then somebody who was given the id since makes this one fail with `FENCED`. */
  readonly current?: ProducerIdentity
}

/**
 * One Kafka transaction: begun with a fresh producer epoch and never used for a second one, because an EndTxn that
 * arrives late would otherwise end the next transaction of the same epoch.
 */
export class KafkaTransaction {
  readonly handle: TransactionHandle
  readonly #client: KafkaClient
  readonly #producer: SequencedProducer
  readonly #partitions = new Map<string, Promise<void>>()
  /** Partitions that wait for the request that is on its way: the coordinator takes one at a time. */
  #wanted: ProduceTarget[] = []
  #adding: Promise<void> = Promise.resolve()
  #hasOffsets = false

  /**
   * Fences every earlier user of the id and aborts what they left open. `timeoutMs` is how long the transaction may
   * stay open before Kafka aborts it.
   */
  static async begin(
    client: KafkaClient,
    transactionalId: string,
    timeoutMs: number,
    options: TransactionOptions = {},
  ): Promise<KafkaTransaction> {
    await loadCodec(options.codec ?? 'none')
    const { current, ...rest } = options
    const identity = await initProducer(client, transactionalId, timeoutMs, current)
    return new KafkaTransaction(client, { transactionalId, ...identity }, rest)
  }

  private constructor(client: KafkaClient, handle: TransactionHandle, options: Omit<TransactionOptions, 'current'>) {
    this.#client = client
    this.handle = handle
    const { leaders = new PartitionLeaders(client), ...rest } = options
    this.#producer = new SequencedProducer(
      client,
      handle,
      { ...rest, transactionalId: handle.transactionalId },
      leaders,
    )
  }

  /** Whether any partition was written: ending a transaction without data is an error on Kafka's side. */
  get hasData(): boolean {
    return this.#partitions.size > 0 || this.#hasOffsets
  }

  /** Appends a batch; those of a partition in the order of the calls. */
  async sendBatch(target: ProduceTarget, builder: BatchBuilder): Promise<bigint> {
    const added = this.#partition(target)
    await added
    return await this.#producer.sendBatch(target, builder)
  }

  /** Appends records; returns the offset of the first one. */
  async send(target: ProduceTarget, records: readonly OutgoingRecord[]): Promise<bigint> {
    return await this.sendBatch(target, builderOf(records))
  }

  /** Makes offsets of a group part of the transaction: they count when it is committed. */
  async sendOffsets(group: string, offsets: readonly GroupOffset[], member: GroupMembership): Promise<void> {
    const doing = `adding offsets of group ${group} to Kafka transaction ${this.handle.transactionalId}`
    const request = { ...this.handle, group, member, offsets }
    this.#hasOffsets = true
    await this.#client.retrying(doing, async () => {
      const { transactionalId } = this.handle
      const coordinator = await this.#client.coordinatorOf({ kind: 'transaction', key: transactionalId })
      const code = await this.#client.call(coordinator, addOffsetsToTxn, request)
      if (code !== 0) throw kafkaError(code, doing)
    })
    await this.#client.retrying(doing, async () => {
      const coordinator = await this.#client.coordinatorOf({ kind: 'group', key: group })
      for (const code of await this.#client.call(coordinator, txnOffsetCommit, request))
        if (code !== 0) throw kafkaError(code, doing)
    })
  }

  /** Resolves when everything that was sent is appended. */
  async flush(): Promise<void> {
    await Promise.all(this.#partitions.values())
    await this.#producer.flush()
  }

  async commit(): Promise<void> {
    await endTransaction(this.#client, this.handle, true)
  }

  async abort(): Promise<void> {
    await endTransaction(this.#client, this.handle, false)
  }

  #partition(target: ProduceTarget): Promise<void> {
    const key = `${target.topic}/${target.partition}`
    const known = this.#partitions.get(key)
    if (known !== undefined) return known
    this.#wanted.push(target)
    const adding = this.#adding.catch(() => undefined).then(() => this.#addWanted())
    this.#adding = adding
    this.#partitions.set(key, adding)
    adding.catch(() => undefined)
    return adding
  }

  /** Everything that came together while the last request was on its way goes with the next one. */
  async #addWanted(): Promise<void> {
    const wanted = this.#wanted
    this.#wanted = []
    for (const [topic, targets] of Map.groupBy(wanted, (target) => target.topic)) {
      const partitions = targets.map(({ partition }) => partition)
      const { transactionalId } = this.handle
      const doing = `adding ${topic} partition ${partitions.join(', ')} to Kafka transaction ${transactionalId}`
      await this.#client.retrying(doing, async () => {
        const coordinator = await this.#client.coordinatorOf({ kind: 'transaction', key: transactionalId })
        const codes = await this.#client.call(coordinator, addPartitionsToTxn, { ...this.handle, topic, partitions })
        for (const code of codes) if (code !== 0) throw kafkaError(code, doing, { topic })
      })
    }
  }
}

function builderOf(records: readonly OutgoingRecord[]): BatchBuilder {
  const size = ({ key, value, headers = [] }: OutgoingRecord): number =>
    100 +
    (key?.length ?? 0) +
    (value?.length ?? 0) +
    headers.reduce((sum, header) => sum + header.key.length * 3 + (header.value?.length ?? 0) + 10, 0)
  const builder = new BatchBuilder(records.reduce((sum, record) => sum + size(record), 100))
  const parts = emptyParts()
  const now = Date.now()
  for (const { key = null, value, headers, timestampMs } of records) {
    parts.key = key ?? parts.key
    parts.keyTo = key?.length ?? -1
    parts.value = value ?? parts.value
    parts.valueTo = value?.length ?? -1
    parts.headers = encodeHeaders((headers ?? []).map((header) => [header.key, header.value]))
    parts.headersTo = parts.headers.length
    parts.timestampMs = timestampMs === undefined ? now : Number(timestampMs)
    builder.add(parts)
  }
  return builder
}

/**
 * Commits or aborts a transaction by its handle, from whichever process. Repeating the same outcome succeeds until the
 * id is used again; `FENCED`, or `CONFIG` with `INVALID_TXN_STATE` or `INVALID_PRODUCER_ID_MAPPING`, say that it ended otherwise.
 */
export async function endTransaction(client: KafkaClient, handle: TransactionHandle, commits: boolean): Promise<void> {
  const doing = `${commits ? 'committing' : 'aborting'} Kafka transaction ${handle.transactionalId}`
  await client.retrying(doing, async () => {
    const coordinator = await client.coordinatorOf({ kind: 'transaction', key: handle.transactionalId })
    const code = await client.call(coordinator, endTxn, { ...handle, commits })
    if (code !== 0) throw kafkaError(code, doing, { transactionalId: handle.transactionalId })
  })
}
