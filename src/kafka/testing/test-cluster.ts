import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { leaveGroup } from '../../clients/kafka/apis/membership.ts'
import { KafkaClient, type GroupMembership } from '../../clients/kafka/index.ts'
import { Kafka, type ConsumedMessage, type Consumer, type ConsumerOptions, type Message } from '../index.ts'

/** Times of a group that notices changes soon. */
export const QUICK = { heartbeatMs: 100, commitIntervalMs: 200, sessionTimeoutMs: 6000 } as const

/** What tests of the toolkit need of a broker. */
export class TestCluster implements AsyncDisposable {
  readonly bootstrap: string
  readonly kafka: Kafka

  constructor(bootstrap: string) {
    this.bootstrap = bootstrap
    this.kafka = new Kafka({ brokers: [bootstrap] })
  }

  /** For all tests of a file; closed with its broker when they are over. */
  static ofThisFile(broker: { readonly bootstrap: string } & AsyncDisposable): TestCluster {
    const cluster = new TestCluster(broker.bootstrap)
    after(async () => {
      await cluster.kafka.close()
      await broker[Symbol.asyncDispose]()
    })
    return cluster
  }

  /** A member of a group of its own, unless the options name one. */
  consumer(topics: readonly string[], options: Partial<ConsumerOptions> = {}): Consumer {
    return this.kafka.consumer({ group: randomUUID(), topics, ...QUICK, ...options })
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

/** Messages that are numbers in order, over 17 keys. */
export function numbered(topic: string, count: number, from = 0): Message[] {
  return Array.from({ length: count }, (_, at) => ({ topic, key: `k${(from + at) % 17}`, value: String(from + at) }))
}

/** Waits for what has to come to pass within a minute, or for `running` to end before it does. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
  running?: Promise<unknown>,
): Promise<void> {
  let hasEnded = false
  const end = (): void => void (hasEnded = true)
  running?.then(end, end)
  for (const last = Date.now() + 60_000; !(await isTrue()) && !hasEnded; await pause(10))
    assert.ok(Date.now() < last, `it did not come to pass: ${what}`)
}
