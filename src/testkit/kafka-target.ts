import { KafkaAdmin, KafkaClient } from '../clients/kafka/index.ts'
import { readTopic, type TopicRecord } from './read-topic.ts'

/** A record as a reader of committed data sees it, with texts. */
export interface SeenRecord extends Omit<TopicRecord, 'key' | 'value'> {
  readonly key: string | null
  readonly value: string | null
}

/** A topic of a test's own, and a reader that knows nothing of the sink. */
export class KafkaTarget implements AsyncDisposable {
  readonly client: KafkaClient
  readonly topic: string
  readonly partitions: number
  static #count = 0

  private constructor(client: KafkaClient, topic: string, partitions: number) {
    this.client = client
    this.topic = topic
    this.partitions = partitions
  }

  static async create(
    bootstrap: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<KafkaTarget> {
    const client = new KafkaClient({ brokers: [bootstrap] })
    const topic = `sink-${process.pid}-${Date.now().toString(36)}-${++KafkaTarget.#count}`
    await new KafkaAdmin(client).createTopic(topic, partitions, configs)
    return new KafkaTarget(client, topic, partitions)
  }

  /** Everything that readers of committed records see now, partition by partition. */
  async read(): Promise<SeenRecord[]> {
    const from = Array.from({ length: this.partitions }, () => 0n)
    const records = await readTopic(this.client, this.topic, from)
    return records.map((record) => ({
      ...record,
      key: record.key?.toString() ?? null,
      value: record.value?.toString() ?? null,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new KafkaAdmin(this.client).deleteTopic(this.topic)
    await this.client.close()
  }
}
