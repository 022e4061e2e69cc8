import { randomUUID } from 'node:crypto'
import { Kafka, type ConsumedMessage, type ConsumerOptions, type Message } from '../index.ts'

/** What tests of the toolkit need of a broker. */
export class TestCluster implements AsyncDisposable {
  readonly kafka: Kafka

  constructor(bootstrap: string) {
    this.kafka = new Kafka({ brokers: [bootstrap] })
  }

  async topic(partitions: number): Promise<string> {
    const name = `toolkit-${randomUUID()}`
    await this.kafka.admin().createTopic(name, partitions)
    return name
  }

  async fill(messages: readonly Message[]): Promise<void> {
    await using producer = this.kafka.producer()
    await producer.sendAll(messages)
  }

  /** Reads until so many messages were handled, and closes. */
  async read(topic: string, count: number, options: Partial<ConsumerOptions> = {}): Promise<ConsumedMessage[]> {
    const seen: ConsumedMessage[] = []
    await using consumer = this.kafka.consumer({ group: randomUUID(), topics: [topic], ...options })
    for await (const message of consumer) {
      seen.push(message)
      if (seen.length >= count) break
    }
    return seen
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kafka.close()
  }
}
