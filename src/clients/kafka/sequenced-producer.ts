import { setTimeout as sleep } from 'node:timers/promises'
import { toMillraceError, wrapError, type MillraceError } from '../../core/errors.ts'
import { produce } from './apis/produce.ts'
import { initProducerId, type ProducerIdentity } from './apis/transactions.ts'
import type { BatchBuilder } from './batch-builder.ts'
import type { KafkaClient } from './client.ts'
import type { Codec } from './compression.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'
import { PartitionLeaders } from './partition-leaders.ts'
import type { ProduceTarget } from './producer.ts'
import { pauseBefore } from './retrying.ts'

export interface SequencedOptions {
  readonly codec?: Codec
  /** Part of this transaction; its partitions have to be added to it before. */
  readonly transactionalId?: string
  /** How long a batch is tried while brokers are away; default: the client's retry time. */
  readonly deliveryTimeoutMs?: number
}

/** The broker took the records at an earlier try whose answer was lost. */
export const OFFSET_UNKNOWN = -1n

/** Waits for the answer of the broker; a slow disk is not a lost request. */
const REQUEST_TIMEOUT_MS = 30_000

/**
 * Appends batches with the sequence numbers of one producer identity, so that what is sent again after a lost answer is
 * recognised by the broker. The batches of a partition are appended in the order of the calls: one is on its way, the
 * others wait.
 */
export class SequencedProducer {
  readonly identity: ProducerIdentity
  readonly #client: KafkaClient
  readonly #options: SequencedOptions
  readonly #leaders: PartitionLeaders
  readonly #sequences = new Map<string, number>()
  readonly #last = new Map<string, Promise<unknown>>()
  #failure: MillraceError | undefined

  constructor(
    client: KafkaClient,
    identity: ProducerIdentity,
    options: SequencedOptions = {},
    leaders: PartitionLeaders = new PartitionLeaders(client),
  ) {
    this.#client = client
    this.identity = identity
    this.#options = options
    this.#leaders = leaders
  }

  /** Seals what the builder holds and appends it; resolves with the offset of its first record, or `OFFSET_UNKNOWN`. */
  sendBatch(target: ProduceTarget, builder: BatchBuilder): Promise<bigint> {
    const key = `${target.topic}/${target.partition}`
    const baseSequence = this.#sequences.get(key) ?? 0
    const { transactionalId, codec = 'none' } = this.#options
    const batch = builder.seal({
      codec,
      producer: { ...this.identity, baseSequence },
      isTransactional: transactionalId !== undefined,
    })
    // Sequence numbers start again behind 2^31 - 1 (DefaultRecordBatch.incrementSequence).
    this.#sequences.set(key, (baseSequence + builder.count) % 2 ** 31)
    const before = this.#last.get(key) ?? Promise.resolve()
    const sending = before.then(() => this.#deliver(target, batch))
    const settled = sending.catch((thrown: unknown) => void (this.#failure ??= toMillraceError(thrown)))
    this.#last.set(key, settled)
    return sending
  }

  /** Resolves when everything that was sent is appended; rejects with the first error. */
  async flush(): Promise<void> {
    await Promise.all(this.#last.values())
    if (this.#failure !== undefined) throw this.#failure
  }

  async #deliver({ topic, partition }: ProduceTarget, batches: Buffer): Promise<bigint> {
    // After a gap the broker would refuse every later batch: the first error is the one that counts.
    if (this.#failure !== undefined) throw this.#failure
    const doing = `appending to ${topic} partition ${partition}`
    const end = performance.now() + (this.#options.deliveryTimeoutMs ?? this.#client.retryTimeoutMs)
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#deliverOnce(topic, partition, batches, doing)
      } catch (thrown) {
        const error = toMillraceError(thrown)
        this.#leaders.forget()
        if (!mayPass(error)) throw error
        if (performance.now() > end) throw wrapError(error, `${doing} (tried ${attempt} times)`)
        await sleep(pauseBefore(attempt))
      }
    }
  }

  async #deliverOnce(topic: string, partition: number, batches: Buffer, doing: string): Promise<bigint> {
    const leader = await this.#leaders.of(topic, partition)
    const topics = [{ name: topic, partitions: [{ partition, batches }] }]
    const transactionalId = this.#options.transactionalId ?? null
    const request = { transactionalId, timeoutMs: REQUEST_TIMEOUT_MS, topics }
    const [answer] = await this.#client.call(leader, produce, request)
    const code = answer?.errorCode ?? KAFKA.UNKNOWN_SERVER_ERROR
    if (answer !== undefined && code === KAFKA.NONE) return answer.baseOffset
    if (code === KAFKA.DUPLICATE_SEQUENCE_NUMBER) return OFFSET_UNKNOWN
    throw kafkaError(code, doing, { topic, partition }, answer?.message)
  }
}

/** A topic that was just created is not known to every broker yet. */
function mayPass(error: MillraceError): boolean {
  return error.retry === 'retry' || error.detail['kafka'] === 'UNKNOWN_TOPIC_OR_PARTITION'
}

/**
 * Asks for a producer identity; with a transactional id, fences its earlier users and aborts what they left open. With
 * `current` it is `FENCED` itself when somebody else was given the id since.
 */
export async function initProducer(
  client: KafkaClient,
  transactionalId: string | null,
  timeoutMs: number,
  current?: ProducerIdentity,
): Promise<ProducerIdentity> {
  const doing =
    transactionalId === null ? 'starting a Kafka producer' : `beginning Kafka transaction ${transactionalId}`
  return await client.retrying(doing, async () => {
    const request = { transactionalId, timeoutMs, current }
    const answer =
      transactionalId === null
        ? await client.callAny(initProducerId, request)
        : await client.call(
            await client.coordinatorOf({ kind: 'transaction', key: transactionalId }),
            initProducerId,
            request,
          )
    const { errorCode, producerId, producerEpoch } = answer
    if (errorCode !== 0) throw kafkaError(errorCode, doing, transactionalId === null ? {} : { transactionalId })
    return { producerId, producerEpoch }
  })
}
