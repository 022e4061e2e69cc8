import type { KafkaClient } from './client.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'

/** Remembers which broker leads a partition, until it is told to forget. */
export class PartitionLeaders {
  readonly #client: KafkaClient
  readonly #leaders = new Map<string, number>()
  /** Questions under way, so that many partitions of a topic cost one. */
  readonly #asking = new Map<string, Promise<void>>()

  constructor(client: KafkaClient) {
    this.#client = client
  }

  async of(topic: string, partition: number): Promise<number> {
    const key = `${topic}/${partition}`
    const known = this.#leaders.get(key)
    if (known !== undefined) return known
    await this.#ask(topic)
    const found = this.#leaders.get(key)
    if (found === undefined) {
      const doing = `finding the leader of ${topic} partition ${partition}`
      throw kafkaError(KAFKA.UNKNOWN_TOPIC_OR_PARTITION, doing, { topic, partition })
    }
    return found
  }

  /** After an answer of a broker that does not lead any more. */
  forget(): void {
    this.#leaders.clear()
  }

  #ask(topic: string): Promise<void> {
    const asking = this.#asking.get(topic) ?? this.#learn(topic).finally(() => this.#asking.delete(topic))
    this.#asking.set(topic, asking)
    return asking
  }

  async #learn(topic: string): Promise<void> {
    for (const info of await this.#client.topics([topic])) {
      for (const { partition, leader } of info.partitions) this.#leaders.set(`${info.name}/${partition}`, leader)
    }
  }
}
