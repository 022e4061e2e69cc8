import { produce } from './apis/produce.ts'
import { encodeBatch, loadCodec, type OutgoingRecord } from './batch-encoder.ts'
import type { KafkaClient } from './client.ts'
import type { Codec } from './compression.ts'
import { kafkaError } from './kafka-errors.ts'

export interface ProduceTarget {
  readonly topic: string
  readonly partition: number
}

/**
 * Appends records to partitions chosen by the caller, acknowledged by all in-sync replicas. There is no sequence number
 * outside of a transaction, so a request is never repeated by itself: an error leaves open whether the records are in.
 */
export class PartitionProducer {
  readonly #client: KafkaClient
  #leaders = new Map<string, number>()

  constructor(client: KafkaClient) {
    this.#client = client
  }

  /** Sends one batch; returns the offset of its first record. */
  async send(
    target: ProduceTarget,
    records: readonly OutgoingRecord[],
    options: { readonly codec?: Codec } = {},
  ): Promise<bigint> {
    await loadCodec(options.codec ?? 'none')
    return await this.sendBatch(target, encodeBatch(records, options))
  }

  /** Sends bytes made by `encodeBatch` or `encodeValues`. */
  async sendBatch(
    { topic, partition }: ProduceTarget,
    batch: Buffer,
    transactionalId: string | null = null,
  ): Promise<bigint> {
    const doing = `appending to ${topic} partition ${partition}`
    const leader = await this.#leaderOf(topic, partition)
    const topics = [{ name: topic, partitions: [{ partition, batches: batch }] }]
    const [answer] = await this.#client.call(leader, produce, { transactionalId, timeoutMs: 30_000, topics })
    if (answer === undefined || answer.errorCode !== 0) {
      this.#leaders.clear()
      throw kafkaError(answer?.errorCode ?? -1, doing, { topic, partition }, answer?.message)
    }
    return answer.baseOffset
  }

  async #leaderOf(topic: string, partition: number): Promise<number> {
    const key = `${topic}/${partition}`
    const known = this.#leaders.get(key)
    if (known !== undefined) return known
    for (const info of await this.#client.topics([topic])) {
      for (const at of info.partitions) this.#leaders.set(`${info.name}/${at.partition}`, at.leader)
    }
    const found = this.#leaders.get(key)
    if (found === undefined)
      throw kafkaError(3, `finding the leader of ${topic} partition ${partition}`, { topic, partition })
    return found
  }
}
