import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../../core/assert.ts'
import { toMillraceError, type MillraceError } from '../../core/errors.ts'
import type { FetchedBytes } from './batch-cursor.ts'
import type { DescribedTopic, KafkaClient } from './client.ts'
import { checkTopic, explainOutOfRange, explainTopic, isTopicGone, isTopicInDoubt } from './fetch-errors.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'
import { LeaderFetcher, type LeaderResponse } from './leader-fetcher.ts'
import { pauseBefore } from './retrying.ts'

/** Where reading of a partition goes on. */
export interface FetchPosition {
  readonly topic: string
  /** Id of the topic that the offset belongs to: the same name with another id is `POSITION_LOST`. */
  readonly topicId: string
  readonly partition: number
  readonly offset: bigint
}

export interface FetchOptions {
  /** Default `committed`: records of open and of rolled-back transactions are not read. */
  readonly isolation?: 'committed' | 'uncommitted'
  /** Bytes of one response, 4 MiB by default, held twice; a single larger record batch still comes. */
  readonly bytesMax?: number
  /** Bytes of one partition in a response, 4 MiB by default: enough rows for a query to cost no more for being short. */
  readonly partitionBytesMax?: number
  /** How long the broker waits for `bytesMin` before it answers with less; 500 ms by default. */
  readonly waitMs?: number
  /** 1 by default: any record is answered at once. */
  readonly bytesMin?: number
}

/** What one partition delivered. */
export interface FetchedPartition extends FetchedBytes {
  readonly topicId: string
  /** The offset after these bytes, from their headers: what the session asks for next. */
  readonly next: bigint
  readonly highWatermark: bigint
  /** End of what `committed` readers can see now. */
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
}

/** One answer of one broker. Its bytes are valid until `release()`, which must be called once. */
export interface FetchedResponse {
  /** All partitions that were asked for; those without news have no bytes but fresh end offsets. */
  readonly partitions: readonly FetchedPartition[]
  release(): void
}

/** How long brokers must agree that a topic is gone or another one: news of topics reach them one after the other. */
const TOPIC_GONE_MS = 2000

interface ReadState {
  readonly position: FetchPosition
  offset: bigint
}

/**
 * Reads a set of partitions in rising offsets. One request to every leader is on its way while the previous answer is
 * being decoded. Leaders that move and connections that break are dealt with inside.
 *
 * Never skips and never resets: an offset below the log is `POSITION_LOST`, one above it `POSITION_AHEAD`, and a topic
 * that was re-created is `POSITION_LOST`, each with the range that is served.
 */
export class FetchSession implements AsyncDisposable {
  readonly #client: KafkaClient
  readonly #options: Required<FetchOptions>
  readonly #states = new Map<string, ReadState>()
  #leaders = new Map<number, LeaderFetcher>()
  #failures = 0
  #failingSince = 0
  #isStale = true
  /** Rises with every assignment, so that work begun for an older one is noticed and thrown away. */
  #assignment = 0
  #isClosed = false

  constructor(client: KafkaClient, options: FetchOptions = {}) {
    this.#client = client
    this.#options = {
      isolation: options.isolation ?? 'committed',
      bytesMax: options.bytesMax ?? 4 << 20,
      partitionBytesMax: options.partitionBytesMax ?? 4 << 20,
      waitMs: options.waitMs ?? 500,
      bytesMin: options.bytesMin ?? 1,
    }
  }

  /** Replaces the partitions and their positions. Answers that are on their way are dropped. */
  assign(positions: readonly FetchPosition[]): void {
    this.#assignment++
    this.#dropLeaders()
    this.#states.clear()
    for (const position of positions)
      this.#states.set(keyOf(position.topicId, position.partition), { position, offset: position.offset })
    this.#failures = 0
  }

  /**
   * The next answer of any leader, or undefined when the signal fires or nothing is assigned. Waits as long as it takes
   * while there are no records: an answer without any comes every `waitMs`.
   */
  async poll(signal?: AbortSignal): Promise<FetchedResponse | undefined> {
    assert(!this.#isClosed, 'a closed fetch session is not polled')
    while (this.#states.size > 0 && signal?.aborted !== true) {
      try {
        if (this.#isStale) await this.#findLeaders()
        if (this.#isStale) continue
        const response = await this.#nextResponse(signal)
        if (response === undefined) return undefined
        const accepted = await this.#accept(response)
        if (accepted !== undefined) return accepted
      } catch (thrown) {
        await this.#recover(toMillraceError(thrown), signal)
      }
    }
    return undefined
  }

  /** A poll that waits ends with undefined. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#assignment++
    this.#dropLeaders()
    this.#states.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #nextResponse(signal: AbortSignal | undefined): Promise<LeaderResponse | undefined> {
    if (signal?.aborted === true) return undefined
    // The one that waits longest goes first, so that a busy leader does not starve the others.
    const answers = [...this.#leaders.values()].map((leader) => leader.answer())
    const { promise: aborted, resolve } = Promise.withResolvers<undefined>()
    const onAbort = (): void => resolve(undefined)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([...answers, aborted])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Takes an answer, moves the positions on and asks for more; undefined when there is nothing to hand out. */
  async #accept(response: LeaderResponse): Promise<FetchedResponse | undefined> {
    const { leader } = response
    leader.take()
    // `assign` came between: the answer belongs to positions that are no longer wanted.
    if (this.#leaders.get(leader.nodeId) !== leader) return undefined
    const bad = response.partitions.find(({ errorCode }) => errorCode !== 0)
    if (bad !== undefined || response.errorCode !== 0) {
      response.release()
      await this.#explain(
        bad?.errorCode ?? response.errorCode,
        bad && this.#states.get(keyOf(bad.topicId, bad.partition)),
      )
      return undefined
    }
    this.#failures = 0
    const partitions: FetchedPartition[] = []
    for (const data of response.partitions) {
      const state = this.#states.get(keyOf(data.topicId, data.partition))
      if (state === undefined) continue
      const { topic } = state.position
      const next = leader.advance(data, state.offset)
      partitions.push({ ...data, topic, from: state.offset, next })
      state.offset = next
    }
    // From here on the request for what follows is on its way while the caller decodes.
    leader.request()
    this.#leaders.delete(leader.nodeId)
    this.#leaders.set(leader.nodeId, leader)
    return { partitions, release: () => response.release() }
  }

  /** Turns an error code into what it means for the position; returns when asking again can help. */
  async #explain(code: number, state: ReadState | undefined): Promise<void> {
    this.#isStale = true
    if (state === undefined) throw kafkaError(code, 'fetching from Kafka')
    const position = { ...state.position, offset: state.offset }
    if (code === KAFKA.OFFSET_OUT_OF_RANGE) throw await explainOutOfRange(this.#client, position)
    if (isTopicInDoubt(code)) await explainTopic(this.#client, position, code)
    const { topic, partition } = position
    throw kafkaError(code, `fetching ${topic} partition ${partition} at offset ${position.offset}`, {
      topic,
      partition,
    })
  }

  /** Errors that pass are waited out within the client's retry time, counted anew after every good answer. */
  async #recover(error: MillraceError, signal: AbortSignal | undefined): Promise<void> {
    this.#dropLeaders()
    const isGone = isTopicGone(error)
    if (error.retry !== 'retry' && !isGone) throw error
    if (this.#failures++ === 0) this.#failingSince = performance.now()
    const patienceMs = isGone ? Math.min(TOPIC_GONE_MS, this.#client.retryTimeoutMs) : this.#client.retryTimeoutMs
    if (performance.now() - this.#failingSince > patienceMs) throw error
    const pauseMs = pauseBefore(this.#failures)
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }

  /** Opens a connection to every leader and sends the first requests. Leaves the session stale if `assign` came between. */
  async #findLeaders(): Promise<void> {
    this.#dropLeaders()
    const assignment = this.#assignment
    const names = new Set([...this.#states.values()].map(({ position }) => position.topic))
    const topics = new Map((await this.#client.describeTopics([...names])).map((topic) => [topic.name, topic]))
    if (assignment !== this.#assignment) return
    const byLeader = Map.groupBy(this.#states.values(), ({ position }) =>
      leaderOf(topics.get(position.topic), position),
    )
    for (const [nodeId, states] of byLeader) {
      const leader = await LeaderFetcher.open(this.#client, nodeId, this.#options, () =>
        states.map(({ position, offset }) => ({ topicId: position.topicId, partition: position.partition, offset })),
      )
      if (assignment !== this.#assignment) return leader.close()
      this.#leaders.set(nodeId, leader)
      leader.request()
    }
    this.#isStale = false
  }

  #dropLeaders(): void {
    for (const leader of this.#leaders.values()) leader.close()
    this.#leaders.clear()
    this.#isStale = true
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}

function leaderOf(topic: DescribedTopic | undefined, position: FetchPosition): number {
  const gone = checkTopic(topic, position)
  if (gone !== undefined) throw gone
  const partitions = topic === undefined || 'errorCode' in topic ? [] : topic.partitions
  const leader = partitions.find(({ partition }) => partition === position.partition)?.leader ?? -1
  if (leader < 0)
    throw kafkaError(
      KAFKA.LEADER_NOT_AVAILABLE,
      `finding the leader of ${position.topic} partition ${position.partition}`,
    )
  return leader
}
