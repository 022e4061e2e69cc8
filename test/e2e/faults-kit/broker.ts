import { useKafka, type UsedKafka } from '../../../scripts/services/kafka.ts'
import {
  KafkaAdmin,
  KafkaClient,
  KafkaTransaction,
  PartitionProducer,
  type OutgoingRecord,
} from '../../../src/clients/kafka/index.ts'

/** The broker that tests share, or one of our own where there is none. */
export class Broker implements AsyncDisposable {
  readonly address: string
  readonly admin: KafkaAdmin
  readonly #client: KafkaClient
  readonly #producer: PartitionProducer
  readonly #kafka: UsedKafka
  #topics = 0

  private constructor(kafka: UsedKafka) {
    this.address = kafka.bootstrap
    this.#client = new KafkaClient({ brokers: [kafka.bootstrap] })
    this.admin = new KafkaAdmin(this.#client)
    this.#producer = new PartitionProducer(this.#client)
    this.#kafka = kafka
  }

  static async open(): Promise<Broker> {
    return new Broker(await useKafka())
  }

  async createTopic(partitions: number): Promise<string> {
    const name = `faults-${process.pid}-${++this.#topics}`
    await this.admin.createTopic(name, partitions)
    return name
  }

  async send(topic: string, partition: number, values: readonly (string | null)[]): Promise<void> {
    const records = values.map((value): OutgoingRecord => ({ value: value === null ? null : Buffer.from(value) }))
    await this.#producer.send({ topic, partition }, records)
  }

  /** In a transaction, whose marker takes an offset of its own. */
  async sendInTransaction(
    topic: string,
    partition: number,
    values: readonly string[],
    end: 'commit' | 'abort',
  ): Promise<void> {
    const transaction = await KafkaTransaction.begin(this.#client, `${topic}-${++this.#topics}`, 60_000)
    await transaction.send(
      { topic, partition },
      values.map((value) => ({ value: Buffer.from(value) })),
    )
    await transaction[end]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close()
    await this.#kafka[Symbol.asyncDispose]()
  }
}
