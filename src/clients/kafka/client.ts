import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { KafkaApi } from './api.ts'
import { findCoordinator, metadata, type BrokerAddress, type FindCoordinatorRequest } from './apis/cluster.ts'
import { listOffsets } from './apis/list-offsets.ts'
import { BrokerConnection, type CallOptions, type ConnectionOptions, type TlsOptions } from './connection.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'
import { matchNames } from './match-names.ts'
import { retrying } from './retrying.ts'
import type { SaslOptions } from './sasl.ts'

export interface KafkaClientOptions {
  /** `host:port` of one broker or more; the others are learnt from them. */
  readonly brokers: readonly string[]
  readonly clientId?: string
  readonly tls?: TlsOptions
  readonly sasl?: SaslOptions
  /** Allows SASL PLAIN without TLS to a host that is not loopback. */
  readonly allowPlaintext?: boolean
  /** Default 10 s. */
  readonly connectTimeoutMs?: number
  /** Default 30 s. */
  readonly requestTimeoutMs?: number
  /** How long calls are repeated while brokers are away or leaders move, before `UNAVAILABLE` is thrown. Default 15 s. */
  readonly retryTimeoutMs?: number
  /** Default 256 MiB. */
  readonly responseBytesMax?: number
}

export interface PartitionInfo {
  readonly partition: number
  /** Node id of the leader, -1 while there is none. */
  readonly leader: number
  readonly leaderEpoch: number
}

export interface TopicInfo {
  readonly name: string
  /** UUID given at creation: the same name with another id is another topic, and old offsets mean nothing in it. */
  readonly topicId: string
  readonly isInternal: boolean
  /** In ascending order. */
  readonly partitions: readonly PartitionInfo[]
}

/** A topic, or why it cannot be described. */
export type DescribedTopic = TopicInfo | { readonly name: string; readonly errorCode: number }

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** `earliest` and `latest` as now, or the first record that is not older than a time in milliseconds since 1970. */
export type OffsetTime = 'earliest' | 'latest' | { readonly timestampMs: bigint }

/**
 * Talks to a cluster: finds brokers, leaders and coordinators, keeps one connection to each broker, and repeats what
 * fails while leaders move. Errors are `AUTH` (halt), `UNAVAILABLE` (retry), `CONFIG` (halt).
 */
export class KafkaClient implements AsyncDisposable {
  readonly retryTimeoutMs: number
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #options: ConnectionOptions
  readonly #connections = new Map<string, Promise<BrokerConnection>>()
  #brokers: ReadonlyMap<number, BrokerAddress> = new Map()
  #isClosed = false

  constructor(options: KafkaClientOptions) {
    this.#bootstrap = options.brokers.map(parseBroker)
    if (this.#bootstrap.length === 0) throw new MillraceError('Kafka: the list of brokers is empty', { code: 'CONFIG' })
    this.retryTimeoutMs = options.retryTimeoutMs ?? 15_000
    this.#options = {
      clientId: options.clientId ?? 'millrace',
      allowPlaintext: options.allowPlaintext ?? false,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
      responseBytesMax: options.responseBytesMax ?? 256 << 20,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
    }
  }

  /**
   * Topics by name, in that order; `null` asks for all of them. A topic that does not exist is a `CONFIG` error; one
   * with a partition without leader is waited for within the retry time.
   */
  async topics(names: readonly string[] | null): Promise<TopicInfo[]> {
    return await this.retrying('reading Kafka topics', async () => {
      const found: TopicInfo[] = []
      for (const topic of await this.describeTopics(names)) {
        if ('errorCode' in topic)
          throw kafkaError(topic.errorCode, `reading Kafka topic ${topic.name}`, { topic: topic.name })
        found.push(topic)
        const orphan = topic.partitions.find(({ leader }) => leader < 0)
        if (orphan !== undefined)
          throw kafkaError(
            KAFKA.LEADER_NOT_AVAILABLE,
            `reading Kafka topic ${topic.name} partition ${orphan.partition}`,
          )
      }
      return found
    })
  }

  /** Topics whose name matches, sorted by name. Internal ones (`__consumer_offsets`) never match. */
  async topicsMatching(pattern: string): Promise<TopicInfo[]> {
    const all = (await this.topics(null)).filter((topic) => !topic.isInternal)
    const names = all.map(({ name }) => name)
    const matching = new Set(matchNames(pattern, names))
    return all.filter(({ name }) => matching.has(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** One look at the metadata without retries: a topic that cannot be described comes with Kafka's error code. */
  async describeTopics(names: readonly string[] | null): Promise<DescribedTopic[]> {
    const answer = await this.callAny(metadata, names)
    this.#brokers = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]))
    const order = new Map(names?.map((name, at) => [name, at]))
    return answer.topics
      .toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0))
      .map((topic) =>
        topic.errorCode === 0
          ? {
              name: topic.name,
              topicId: topic.topicId,
              isInternal: topic.isInternal,
              partitions: topic.partitions.toSorted((a, b) => a.partition - b.partition),
            }
          : { name: topic.name, errorCode: topic.errorCode },
      )
  }

  /** The cluster's own id, and its brokers. */
  async cluster(): Promise<{ readonly clusterId: string; readonly nodeIds: readonly number[] }> {
    const answer = await this.callAny(metadata, [])
    this.#brokers = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]))
    return { clusterId: answer.clusterId ?? '', nodeIds: answer.brokers.map(({ nodeId }) => nodeId) }
  }

  /**
   * Concrete offsets of partitions, in the order asked. With `committed` isolation the latest offset is the last
   * stable one. A timestamp that is younger than every record gives the latest offset.
   */
  async listOffsets(
    partitions: readonly TopicPartition[],
    time: OffsetTime,
    isolation: 'committed' | 'uncommitted' = 'committed',
  ): Promise<bigint[]> {
    const found = await this.#listOffsets(partitions, timestampOf(time), isolation)
    const missing = partitions.filter((_, at) => found[at] === -1n)
    if (missing.length === 0) return found
    const latest = await this.#listOffsets(missing, -1n, isolation)
    return found.map((offset) => (offset === -1n ? (latest.shift() ?? 0n) : offset))
  }

  /** Sends a request to any broker that answers. */
  async callAny<Request, Response>(api: KafkaApi<Request, Response>, request: Request): Promise<Response> {
    let last: MillraceError | undefined
    for (const broker of [...this.#brokers.values(), ...this.#bootstrap]) {
      try {
        return await (await this.#shared(broker)).call(api, request)
      } catch (error) {
        last = toMillraceError(error)
        if (last.code !== 'UNAVAILABLE') throw last
      }
    }
    throw last ?? new MillraceError(`${api.name}: no Kafka broker is known`, { code: 'UNAVAILABLE', retry: 'retry' })
  }

  /** Sends a request to one broker, over the connection that all calls to it share. */
  async call<Request, Response>(
    nodeId: number,
    api: KafkaApi<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response> {
    return await (await this.#shared(this.#brokerOf(nodeId))).call(api, request, options)
  }

  /** A connection of one's own to a broker, for long polls that would hold up everybody else's calls. */
  async openConnection(nodeId: number): Promise<BrokerConnection> {
    const { host, port } = this.#brokerOf(nodeId)
    return await BrokerConnection.open(host, port, this.#options)
  }

  /** Node id of the broker that coordinates a group or a transactional id. */
  async coordinatorOf(request: FindCoordinatorRequest): Promise<number> {
    return await this.retrying(`finding the coordinator of ${request.kind} ${request.key}`, async () => {
      const answer = await this.callAny(findCoordinator, request)
      if (answer.errorCode !== 0)
        throw kafkaError(
          answer.errorCode,
          `finding the coordinator of ${request.kind} ${request.key}`,
          {},
          answer.message,
        )
      this.#brokers = new Map(this.#brokers).set(answer.nodeId, answer)
      return answer.nodeId
    })
  }

  /** Repeats `step` while it fails with retryable errors, with growing pauses, within the client's retry time. */
  async retrying<T>(doing: string, step: () => Promise<T>): Promise<T> {
    return await retrying(doing, this.retryTimeoutMs, step)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const opened = await Promise.allSettled(this.#connections.values())
    for (const result of opened) if (result.status === 'fulfilled') result.value.close()
    this.#connections.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #listOffsets(
    partitions: readonly TopicPartition[],
    timestamp: bigint,
    isolation: 'committed' | 'uncommitted',
  ): Promise<bigint[]> {
    const offsets = new Map<string, bigint>()
    const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`
    await this.retrying('listing Kafka offsets', async () => {
      const left = partitions.filter((at) => !offsets.has(keyOf(at)))
      const byLeader = Map.groupBy(await this.#withLeaders(left), ({ leader }) => leader)
      for (const [leader, group] of byLeader) {
        const topics = [...Map.groupBy(group, ({ topic }) => topic)].map(([name, members]) => ({
          name,
          partitions: members.map(({ partition }) => ({ partition, timestamp })),
        }))
        for (const listed of await this.call(leader, listOffsets, { isolation, topics })) {
          if (listed.errorCode !== 0)
            throw kafkaError(listed.errorCode, `listing offsets of ${keyOf(listed)}`, {
              topic: listed.topic,
              partition: listed.partition,
            })
          offsets.set(keyOf(listed), listed.offset)
        }
      }
    })
    return partitions.map((at) => offsets.get(keyOf(at)) ?? -1n)
  }

  async #withLeaders(partitions: readonly TopicPartition[]): Promise<(TopicPartition & { leader: number })[]> {
    const topics = await this.topics([...new Set(partitions.map(({ topic }) => topic))])
    const byName = new Map(topics.map((topic) => [topic.name, topic]))
    return partitions.map(({ topic, partition }) => {
      const info = byName.get(topic)?.partitions.find((candidate) => candidate.partition === partition)
      if (info === undefined)
        throw kafkaError(KAFKA.UNKNOWN_TOPIC_OR_PARTITION, `finding the leader of ${topic} partition ${partition}`, {
          topic,
          partition,
        })
      return { topic, partition, leader: info.leader }
    })
  }

  #brokerOf(nodeId: number): BrokerAddress {
    const broker = this.#brokers.get(nodeId)
    if (broker === undefined) throw kafkaError(KAFKA.BROKER_NOT_AVAILABLE, `connecting to Kafka node ${nodeId}`)
    return broker
  }

  async #shared({ host, port }: BrokerAddress): Promise<BrokerConnection> {
    if (this.#isClosed) throw new MillraceError('the Kafka client was closed', { code: 'UNAVAILABLE', retry: 'halt' })
    const key = `${host}:${port}`
    for (let known = this.#connections.get(key); known !== undefined; known = this.#connections.get(key)) {
      const connection = await known
      if (connection.isOpen) return connection
      if (this.#connections.get(key) === known) this.#connections.delete(key)
    }
    const opening = BrokerConnection.open(host, port, this.#options)
    this.#connections.set(key, opening)
    opening.catch(() => this.#connections.delete(key))
    return await opening
  }
}

function timestampOf(time: OffsetTime): bigint {
  if (time === 'earliest') return -2n
  return time === 'latest' ? -1n : time.timestampMs
}

function parseBroker(text: string): BrokerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) {
    throw new MillraceError(`Kafka broker ${JSON.stringify(text)} is not of the form host:port`, { code: 'CONFIG' })
  }
  return { nodeId: -1, host: match[1] ?? match[2] ?? '', port }
}
