import { randomUUID } from 'node:crypto'
import { leaveGroup } from '../../clients/kafka/apis/membership.ts'
import { KafkaClient, type GroupMembership } from '../../clients/kafka/index.ts'
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

  /** Takes a member out of its group, as the coordinator does with one that it has not heard for too long. */
  async exclude(group: string, { memberId, instanceId }: GroupMembership): Promise<void> {
    await using client = new KafkaClient(this.kafka.options)
    const nodeId = await client.coordinatorOf({ kind: 'group', key: group })
    const code = await client.call(nodeId, leaveGroup, { group, memberId, instanceId })
    if (code !== 0) throw new Error(`excluding a member: Kafka answered ${code}`)
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
