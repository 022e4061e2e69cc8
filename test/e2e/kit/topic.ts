import { encodeValues, KafkaAdmin, KafkaClient, PartitionProducer } from '../../../src/clients/kafka/index.ts'
import { useKafka, type UsedKafka } from '../../../scripts/services/kafka.ts'
import { ROW_BYTES, rowText } from './rows.ts'

const ROWS_PER_BATCH = 5000

/** A connection to the broker that tests share, or to one of our own where there is none. */
export class Broker implements AsyncDisposable {
  readonly address: string
  readonly #client: KafkaClient
  readonly #kafka: UsedKafka
  static #topics = 0

  private constructor(kafka: UsedKafka) {
    this.address = kafka.bootstrap
    this.#client = new KafkaClient({ brokers: [kafka.bootstrap] })
    this.#kafka = kafka
  }

  static async open(): Promise<Broker> {
    return new Broker(await useKafka())
  }

  async createTopic(partitions: number): Promise<Topic> {
    const name = `kills-${process.pid}-${++Broker.#topics}`
    await new KafkaAdmin(this.#client).createTopic(name, partitions)
    return new Topic(this.#client, name, partitions)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close()
    await this.#kafka[Symbol.asyncDispose]()
  }
}

/** A topic whose partitions hold the rows 0, 1, 2, … of `rowText`. */
export class Topic implements AsyncDisposable {
  readonly name: string
  /** Rows per partition so far. */
  readonly counts: number[]
  readonly #client: KafkaClient
  readonly #producer: PartitionProducer

  constructor(client: KafkaClient, name: string, partitions: number) {
    this.name = name
    this.counts = Array.from({ length: partitions }, () => 0)
    this.#client = client
    this.#producer = new PartitionProducer(client)
  }

  get rows(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  /** Appends so many rows to every partition. */
  async append(rowsPerPartition: number): Promise<void> {
    await Promise.all(this.counts.map((_, part) => this.appendTo(part, rowsPerPartition)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new KafkaAdmin(this.#client).deleteTopic(this.name)
  }

  async appendTo(partition: number, rows: number): Promise<void> {
    for (let left = rows; left > 0; left -= ROWS_PER_BATCH) {
      const first = this.counts[partition] ?? 0
      const count = Math.min(left, ROWS_PER_BATCH)
      const lines = Array.from({ length: count }, (_, index) => rowText(partition, first + index))
      const ends = lines.map((_, index) => index * (ROW_BYTES + 1) + ROW_BYTES)
      const bytes = Buffer.from(lines.join('\n'))
      const batch = encodeValues({ bytes, ends, gap: 1, timestampMs: BigInt(Date.now()) })
      await this.#producer.sendBatch({ topic: this.name, partition }, batch)
      this.counts[partition] = first + count
    }
  }
}
