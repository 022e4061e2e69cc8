import { KafkaAdmin, KafkaClient, type KafkaClientOptions, type TopicPartition } from '../clients/kafka/index.ts'
import { toMillraceError } from '../core/errors.ts'
import { Consumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { DeadLetterBox, type DeadLetterBoxOptions } from './dead-letter-box.ts'
import { kafkaFromEnvironment } from './environment.ts'
import { Producer, type ProducerOptions } from './producer.ts'
import { TopicConsumers, type TopicConsumersOptions } from './topic-consumers.ts'
import { TransactionalProducer, type TransactionalProducerOptions } from './transactional-producer.ts'

/** How brokers are reached; see docs/kafka-toolkit.md. */
export type KafkaOptions = KafkaClientOptions

/** Whether a cluster can be worked with now. */
export interface Ping {
  readonly isHealthy: boolean
  readonly clusterId: string
  readonly brokers: number
  /** Topics and the group that were asked for and cannot be used, with the reason. */
  readonly problems: readonly string[]
  readonly tookMs: number
}

/**
 * A cluster, with connections that all its producers share; every consumer has connections of its own, so that waiting for
 * messages holds up nobody.
 *
 *     await using kafka = new Kafka({ brokers: ['localhost:9092'] })
 *     await using producer = kafka.producer()
 *     await producer.send({ topic: 'orders', key: 'a', value: encodeJson({ id: 1n }) })
 */
export class Kafka implements AsyncDisposable {
  readonly options: KafkaOptions
  readonly #client: KafkaClient

  constructor(options: KafkaOptions) {
    this.options = options
    this.#client = new KafkaClient(options)
  }

  /** As the environment says: `MILLRACE_KAFKA_BROKERS` and others, see `KAFKA_ENVIRONMENT`. */
  static fromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): Kafka {
    return new Kafka(kafkaFromEnvironment(environment))
  }

  producer(options: ProducerOptions = {}): Producer {
    return new Producer(this.#client, options)
  }

  transactionalProducer(options: TransactionalProducerOptions): TransactionalProducer {
    return new TransactionalProducer(this.#client, options)
  }

  consumer(options: ConsumerOptions): Consumer {
    return new Consumer(new KafkaClient(this.options), options)
  }

  /** Several topics with a handler for each, over one group or one for each topic. */
  consumers(options: TopicConsumersOptions): TopicConsumers {
    return new TopicConsumers((each) => this.consumer(each), options)
  }

  /** What was given up, to look at and to put back. */
  deadLetters(topic: string, options: DeadLetterBoxOptions = {}): DeadLetterBox {
    return new DeadLetterBox(this.#client, topic, options)
  }

  /** Topics, settings, group offsets. */
  admin(): KafkaAdmin {
    return new KafkaAdmin(this.#client)
  }

  /** Asks the brokers for their cluster, for topics, and the coordinator of a group for its offsets. Never throws. */
  async ping(topics: readonly string[] = [], group?: string): Promise<Ping> {
    const begun = performance.now()
    const result = (isHealthy: boolean, found: Pick<Ping, 'clusterId' | 'brokers' | 'problems'>): Ping => ({
      isHealthy,
      ...found,
      tookMs: performance.now() - begun,
    })
    try {
      const { clusterId, nodeIds } = await this.#client.cluster()
      const problems: string[] = []
      for (const topic of topics.length === 0 ? [] : await this.#client.describeTopics(topics)) {
        if ('errorCode' in topic) problems.push(`${topic.name}: Kafka answered error ${topic.errorCode}`)
        else if (topic.partitions.some(({ leader }) => leader < 0))
          problems.push(`${topic.name}: a partition has no leader`)
      }
      if (group !== undefined) {
        const reason = await this.admin()
          .groupOffsets(group)
          .then(
            () => undefined,
            (thrown: unknown) => toMillraceError(thrown).message,
          )
        if (reason !== undefined) problems.push(`group ${group}: ${reason}`)
      }
      return result(problems.length === 0, { clusterId, brokers: nodeIds.length, problems })
    } catch (thrown) {
      return result(false, { clusterId: '', brokers: 0, problems: [toMillraceError(thrown).message] })
    }
  }

  /** How far a group's committed offsets are behind the end of partitions, by `topic/partition`. */
  async lag(group: string): Promise<ReadonlyMap<string, bigint>> {
    const offsets = await this.admin().groupOffsets(group)
    const at: TopicPartition[] = offsets.map(({ topic, partition }) => ({ topic, partition }))
    const ends = await this.#client.listOffsets(at, 'latest')
    return new Map(
      offsets.map(({ topic, partition, offset }, index) => {
        const behind = (ends[index] ?? 0n) - offset
        return [`${topic}/${partition}`, behind > 0n ? behind : 0n]
      }),
    )
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
