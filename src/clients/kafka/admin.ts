import { offsetCommit, offsetFetch, OUTSIDE, type GroupMembership, type GroupOffset } from './apis/groups.ts'
import {
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeConfigs,
  type TopicResult,
} from './apis/topics.ts'
import type { KafkaClient, TopicPartition } from './client.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'

const TIMEOUT_MS = 15_000

/** Changes topics and looks at what belongs to them. Every method waits until the change can be seen by this client. */
export class KafkaAdmin {
  readonly #client: KafkaClient

  constructor(client: KafkaClient) {
    this.#client = client
  }

  /** Fails with `CONFIG` (`TOPIC_ALREADY_EXISTS`) when the name is taken. */
  async createTopic(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const request = { name, partitions, replicationFactor: -1, configs, timeoutMs: TIMEOUT_MS }
    await this.#client.retrying(`creating Kafka topic ${name}`, async () => {
      assertDone(await this.#client.callAny(createTopics, request), `creating Kafka topic ${name}`)
    })
    await this.#until(`waiting for Kafka topic ${name}`, name, (count) => count === partitions)
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#client.retrying(`deleting Kafka topic ${name}`, async () => {
      assertDone(
        await this.#client.callAny(deleteTopics, { name, timeoutMs: TIMEOUT_MS }),
        `deleting Kafka topic ${name}`,
      )
    })
    await this.#until(`waiting for the end of Kafka topic ${name}`, name, (count) => count === undefined)
  }

  /** Raises the number of partitions to `partitions`; it cannot be lowered. */
  async createPartitions(name: string, partitions: number): Promise<void> {
    await this.#client.retrying(`adding partitions to Kafka topic ${name}`, async () => {
      const results = await this.#client.callAny(createPartitions, { name, partitions, timeoutMs: TIMEOUT_MS })
      assertDone(results, `adding partitions to Kafka topic ${name}`)
    })
    await this.#until(`waiting for partitions of Kafka topic ${name}`, name, (count) => count === partitions)
  }

  /** Deletes the records of a partition before an offset, as retention does. Returns the new first offset. */
  async deleteRecords({ topic, partition }: TopicPartition, before: bigint): Promise<bigint> {
    const doing = `deleting records of ${topic} partition ${partition}`
    return await this.#client.retrying(doing, async () => {
      const [info] = await this.#client.topics([topic])
      const leader = info?.partitions.find((candidate) => candidate.partition === partition)?.leader ?? -1
      const answer = await this.#client.call(leader, deleteRecords, { topic, partition, before, timeoutMs: TIMEOUT_MS })
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, doing, { topic, partition })
      return answer.logStart
    })
  }

  /** Values of a topic's settings, such as `retention.ms`; `null` asks for all of them. */
  async topicConfigs(
    topic: string,
    names: readonly string[] | null = null,
  ): Promise<ReadonlyMap<string, string | null>> {
    const doing = `reading the settings of Kafka topic ${topic}`
    return await this.#client.retrying(doing, async () => {
      const answer = await this.#client.callAny(describeConfigs, { kind: 'topic', name: topic, names })
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, doing, { topic }, answer.message)
      return answer.values
    })
  }

  /** Values of the settings of every broker, by node id. */
  async brokerConfigs(names: readonly string[]): Promise<ReadonlyMap<number, ReadonlyMap<string, string | null>>> {
    return await this.#client.retrying('reading the settings of Kafka brokers', async () => {
      const found = new Map<number, ReadonlyMap<string, string | null>>()
      for (const nodeId of (await this.#client.cluster()).nodeIds) {
        const doing = `reading the settings of Kafka broker ${nodeId}`
        const answer = await this.#client.call(nodeId, describeConfigs, { kind: 'broker', name: String(nodeId), names })
        if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, doing, {}, answer.message)
        found.set(nodeId, answer.values)
      }
      return found
    })
  }

  /** Stores offsets under a group's name, for lag tools to show. We never read them to decide where to go on. */
  async commitGroupOffsets(
    group: string,
    offsets: readonly GroupOffset[],
    member: GroupMembership = OUTSIDE,
  ): Promise<void> {
    const doing = `committing offsets of group ${group}`
    await this.#client.retrying(doing, async () => {
      const coordinator = await this.#client.coordinatorOf({ kind: 'group', key: group })
      for (const { errorCode, topic, partition } of await this.#client.call(coordinator, offsetCommit, {
        group,
        member,
        offsets,
      })) {
        if (errorCode !== 0) throw kafkaError(errorCode, doing, { topic, partition })
      }
    })
  }

  /** What a group has committed. `isStable` waits for transactions that may change it. */
  async groupOffsets(group: string, isStable = false): Promise<readonly GroupOffset[]> {
    const doing = `reading offsets of group ${group}`
    return await this.#client.retrying(doing, async () => {
      const coordinator = await this.#client.coordinatorOf({ kind: 'group', key: group })
      const answer = await this.#client.call(coordinator, offsetFetch, { group, isStable })
      const code = answer.errorCode || (answer.offsets.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0)
      if (code !== 0) throw kafkaError(code, doing)
      return answer.offsets
        .filter(({ offset }) => offset >= 0n)
        .map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    })
  }

  /** Waits until the number of partitions with a leader (undefined: no such topic) is as wanted. */
  async #until(doing: string, name: string, isWanted: (partitions: number | undefined) => boolean): Promise<void> {
    await this.#client.retrying(doing, async () => {
      const [topic] = await this.#client.describeTopics([name])
      const led =
        topic === undefined || 'errorCode' in topic ? undefined : topic.partitions.filter(({ leader }) => leader >= 0)
      if (!isWanted(led?.length)) throw kafkaError(KAFKA.LEADER_NOT_AVAILABLE, doing, { topic: name })
    })
  }
}

function assertDone(results: readonly TopicResult[], doing: string): void {
  for (const { name, errorCode, message } of results) {
    if (errorCode !== 0) throw kafkaError(errorCode, doing, { topic: name }, message)
  }
}
