import { setTimeout as sleep } from 'node:timers/promises'
import { produce } from './apis/produce.ts'
import { encodeBatch, type OutgoingRecord } from './batch-encoder.ts'
import type { KafkaClient } from './client.ts'
import type { Codec } from './compression.ts'
import { loadCodec } from './compressors.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'
import { PartitionLeaders } from './partition-leaders.ts'
import { pauseBefore } from './retrying.ts'

/** Answers of a broker that does not lead the partition, for example right after the topic was created. */
const NOT_APPENDED: ReadonlySet<number> = new Set([
  KAFKA.NOT_LEADER_OR_FOLLOWER,
  KAFKA.LEADER_NOT_AVAILABLE,
  KAFKA.FENCED_LEADER_EPOCH,
  KAFKA.UNKNOWN_TOPIC_OR_PARTITION,
])

export interface ProduceTarget {
  readonly topic: string
  readonly partition: number
}

/**
 * Appends records to partitions chosen by the caller, acknowledged by all in-sync replicas. There is no sequence number
 * outside of a transaction, so a request is only repeated when the broker says that it appended nothing because it does
 * not lead the partition; any other error leaves open whether the records are in.
 */
export class PartitionProducer {
  readonly #client: KafkaClient
  readonly #leaders: PartitionLeaders

  constructor(client: KafkaClient) {
    this.#client = client
    this.#leaders = new PartitionLeaders(client)
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

  /** Sends bytes made by `encodeBatch` or `encodeValues`; returns the offset of the first record. */
  async sendBatch({ topic, partition }: ProduceTarget, batch: Buffer): Promise<bigint> {
    const topics = [{ name: topic, partitions: [{ partition, batches: batch }] }]
    const end = performance.now() + this.#client.retryTimeoutMs
    for (let attempt = 1; ; attempt++) {
      const leader = await this.#leaders.of(topic, partition)
      const [answer] = await this.#client.call(leader, produce, { transactionalId: null, timeoutMs: 30_000, topics })
      const code = answer?.errorCode ?? KAFKA.UNKNOWN_SERVER_ERROR
      if (answer !== undefined && code === 0) return answer.baseOffset
      this.#leaders.forget()
      if (!NOT_APPENDED.has(code) || performance.now() > end) {
        throw kafkaError(code, `appending to ${topic} partition ${partition}`, { topic, partition }, answer?.message)
      }
      await sleep(pauseBefore(attempt))
    }
  }
}
