import { addPartitionsToTxn, endTxn, initProducerId, type ProducerIdentity } from './apis/transactions.ts'
import { encodeBatch, loadCodec, type OutgoingRecord } from './batch-encoder.ts'
import type { KafkaClient } from './client.ts'
import type { Codec } from './compression.ts'
import { kafkaError } from './kafka-errors.ts'
import { PartitionProducer, type ProduceTarget } from './producer.ts'

/** Enough to end a transaction from another process. */
export interface TransactionHandle extends ProducerIdentity {
  readonly transactionalId: string
}

/**
 * One Kafka transaction: begun with a fresh producer epoch and never used for a second one, because an EndTxn that
 * arrives late would otherwise end the next transaction of the same epoch.
 */
export class KafkaTransaction {
  readonly handle: TransactionHandle
  readonly #client: KafkaClient
  readonly #producer: PartitionProducer
  /** Next sequence number by partition; a partition in here is part of the transaction. */
  readonly #sequences = new Map<string, number>()

  /**
   * Fences every earlier user of the id and aborts what they left open. `timeoutMs` is how long the transaction may
   * stay open before Kafka aborts it.
   */
  static async begin(client: KafkaClient, transactionalId: string, timeoutMs: number): Promise<KafkaTransaction> {
    const doing = `beginning Kafka transaction ${transactionalId}`
    const identity = await client.retrying(doing, async () => {
      const coordinator = await client.coordinatorOf({ kind: 'transaction', key: transactionalId })
      const answer = await client.call(coordinator, initProducerId, { transactionalId, timeoutMs })
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, doing, { transactionalId })
      return answer
    })
    const { producerId, producerEpoch } = identity
    return new KafkaTransaction(client, { transactionalId, producerId, producerEpoch })
  }

  private constructor(client: KafkaClient, handle: TransactionHandle) {
    this.#client = client
    this.handle = handle
    this.#producer = new PartitionProducer(client)
  }

  /** Whether any partition was written: ending a transaction without data is an error on Kafka's side. */
  get hasData(): boolean {
    return this.#sequences.size > 0
  }

  async send(target: ProduceTarget, records: readonly OutgoingRecord[], codec: Codec = 'none'): Promise<bigint> {
    await loadCodec(codec)
    const key = `${target.topic}/${target.partition}`
    const baseSequence = this.#sequences.get(key) ?? 0
    if (!this.#sequences.has(key)) await this.#addPartition(target)
    const { producerId, producerEpoch, transactionalId } = this.handle
    const producer = { producerId, producerEpoch, baseSequence }
    const batch = encodeBatch(records, { codec, isTransactional: true, producer })
    this.#sequences.set(key, baseSequence + records.length)
    return await this.#producer.sendBatch(target, batch, transactionalId)
  }

  async commit(): Promise<void> {
    await endTransaction(this.#client, this.handle, true)
  }

  async abort(): Promise<void> {
    await endTransaction(this.#client, this.handle, false)
  }

  async #addPartition({ topic, partition }: ProduceTarget): Promise<void> {
    const doing = `adding ${topic} partition ${partition} to Kafka transaction ${this.handle.transactionalId}`
    await this.#client.retrying(doing, async () => {
      const coordinator = await this.#client.coordinatorOf({ kind: 'transaction', key: this.handle.transactionalId })
      const request = { ...this.handle, topic, partitions: [partition] }
      for (const code of await this.#client.call(coordinator, addPartitionsToTxn, request)) {
        if (code !== 0) throw kafkaError(code, doing, { topic, partition })
      }
    })
  }
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
