import type { SplitPosition } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import type { KafkaClient, OffsetTime, TopicInfo, TopicPartition } from '../../clients/kafka/index.ts'
import { isolationOf } from './connect.ts'
import type { KafkaSourceOptions, OffsetsByTopic } from './options.ts'
import { offsetFromJson, offsetToJson, splitFromJson, splitIdOf, splitToJson, type KafkaSplit } from './split.ts'

type Bound = KafkaSourceOptions['start']

/**
 * Finds partitions. Start positions are resolved to concrete offsets once and stored, never as the word "latest": an
 * empty partition would otherwise skip what was written before the next restart (apache/flink-connector-kafka#52).
 */
export class KafkaEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number | undefined
  readonly moment: string | undefined
  readonly #options: KafkaSourceOptions
  readonly #client: KafkaClient

  constructor(options: KafkaSourceOptions, client: KafkaClient) {
    this.#options = options
    this.#client = client
    this.discoveryIntervalMs = options.end === 'never' ? options.discoveryInterval : undefined
    this.moment = typeof options.start === 'object' || options.start === 'earliest' ? undefined : String(options.start)
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    if (restored.length === 0) return
    const splits = restored.map((split) => ({ ...splitFromJson(split.spec), offset: offsetFromJson(split.at) }))
    await this.#verifyTopicIds(splits)
    const earliest = await this.#client.listOffsets(splits, 'earliest')
    const end = await this.#client.listOffsets(splits, 'latest', 'uncommitted')
    splits.forEach((split, index) => {
      const range = { first: earliest[index] ?? 0n, end: end[index] ?? 0n }
      if (split.offset < range.first) throw outside(split, range, 'POSITION_LOST')
      if (split.offset > range.end) throw outside(split, range, 'POSITION_AHEAD')
    })
  }

  async discover(known: ReadonlySet<string>, first: boolean): Promise<readonly SplitAssignment[]> {
    const topics = await this.#topics()
    const fresh = topics
      .flatMap((topic) =>
        topic.partitions.map(({ partition }) => ({ topic: topic.name, topicId: topic.topicId, partition })),
      )
      .filter((split) => !known.has(splitIdOf(split)))
    if (fresh.length === 0) return []
    // Whatever the start position says: a partition that appears later begins at its beginning.
    const from = await this.#offsets(fresh, first ? this.#options.start : 'earliest')
    const until = this.#options.end === 'never' ? undefined : await this.#offsets(fresh, this.#options.end)
    return fresh.map((split, index) => ({
      split: splitIdOf(split),
      spec: splitToJson(split),
      at: offsetToJson(from[index] ?? 0n),
      ...(until === undefined ? {} : { until: offsetToJson(until[index] ?? 0n) }),
    }))
  }

  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<string, number>> {
    const partitions = positions.map(({ split }) => partitionOf(split))
    const ends = await this.#client.listOffsets(partitions, 'latest', isolationOf(this.#options.properties))
    return new Map(
      positions.map(({ split, next }, index) => {
        const behind = (ends[index] ?? 0n) - offsetFromJson(next)
        return [split, behind > 0n ? Number(behind) : 0]
      }),
    )
  }

  /** Kafka keeps records by time, not by what we have read: there is nothing to tell it. */
  async acknowledge(): Promise<void> {}

  async close(): Promise<void> {
    await this.#client.close()
  }

  #topics(): Promise<TopicInfo[]> {
    const { topics, topicPattern } = this.#options
    if (topics !== undefined) return this.#client.topics(topics)
    return this.#client.topicsMatching(topicPattern ?? '')
  }

  async #verifyTopicIds(splits: readonly KafkaSplit[]): Promise<void> {
    const found = new Map(
      (await this.#client.topics([...new Set(splits.map(({ topic }) => topic))])).map((topic) => [topic.name, topic]),
    )
    for (const split of splits) {
      const topic = found.get(split.topic)
      if (topic?.topicId === split.topicId) continue
      throw new MillraceError(
        `the Kafka topic ${split.topic} was deleted and created again since the last checkpoint: its offsets mean nothing now`,
        { code: 'POSITION_LOST', detail: { ...splitToJson(split), found: topic?.topicId ?? null } },
      )
    }
  }

  async #offsets(splits: readonly KafkaSplit[], bound: Bound): Promise<readonly bigint[]> {
    if (typeof bound === 'object') return this.#explicitOffsets(splits, bound)
    return this.#client.listOffsets(splits, offsetTime(bound), isolationOf(this.#options.properties))
  }

  /** Partitions that are not named begin at their beginning, or end where they end now. */
  async #explicitOffsets(splits: readonly KafkaSplit[], given: OffsetsByTopic): Promise<readonly bigint[]> {
    const isStart = given === this.#options.start
    const rest = await this.#client.listOffsets(splits, isStart ? 'earliest' : 'latest')
    return splits.map(({ topic, partition }, index) => {
      const offset = given[topic]?.[String(partition)]
      return offset === undefined ? (rest[index] ?? 0n) : BigInt(offset)
    })
  }
}

function offsetTime(bound: string | number): OffsetTime {
  if (bound === 'earliest' || bound === 'latest') return bound
  if (typeof bound === 'number') return { timestampMs: BigInt(bound) }
  // A time without an offset is UTC: a pipeline must not mean something else on another machine.
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(bound) ? bound : `${bound}Z`
  return { timestampMs: BigInt(Date.parse(zoned)) }
}

function partitionOf(split: string): TopicPartition {
  const slash = split.lastIndexOf('/')
  return { topic: split.slice(0, slash), partition: Number(split.slice(slash + 1)) }
}

function outside(
  split: KafkaSplit & { offset: bigint },
  range: { first: bigint; end: bigint },
  code: 'POSITION_LOST' | 'POSITION_AHEAD',
): MillraceError {
  const what =
    code === 'POSITION_LOST' ? 'records were deleted before they were read' : 'the log is shorter than what was read'
  return new MillraceError(
    `Kafka topic ${split.topic} partition ${split.partition}: the checkpoint goes on at offset ${split.offset}, ` +
      `the broker has ${range.first} to ${range.end}: ${what}`,
    {
      code,
      detail: {
        topic: split.topic,
        partition: split.partition,
        offset: String(split.offset),
        first: String(range.first),
        end: String(range.end),
      },
    },
  )
}
