import { assert } from '../../core/assert.ts'
import { fetchRecords, type FetchedPartitionData, type FetchResponse } from './apis/fetch.ts'
import type { KafkaClient } from './client.ts'
import type { BrokerConnection } from './connection.ts'
import { offsetAfter } from './record-batch.ts'
import { ResponseMemory } from './response-memory.ts'

export interface FetchLimits {
  readonly isolation: 'committed' | 'uncommitted'
  readonly bytesMax: number
  readonly partitionBytesMax: number
  readonly waitMs: number
  readonly bytesMin: number
}

export interface WantedPartition {
  readonly topicId: string
  readonly partition: number
  readonly offset: bigint
}

export interface LeaderResponse extends FetchResponse {
  readonly leader: LeaderFetcher
  release(): void
}

/** Room for what a response holds beside records, so that one of the usual size fits recycled memory. */
const RESPONSE_OVERHEAD = 64 << 10

/**
 * Fetches from one broker over a connection of its own, one request at a time. Two response buffers alternate: one is
 * being decoded while the other one is being filled.
 */
export class LeaderFetcher {
  readonly nodeId: number
  readonly #connection: BrokerConnection
  readonly #limits: FetchLimits
  readonly #wanted: () => readonly WantedPartition[]
  readonly #memory: ResponseMemory
  #answer: Promise<LeaderResponse> | undefined
  /** Partition to begin the next request with: the broker fills the response in the order of the request. */
  #turn = 0

  static async open(
    client: KafkaClient,
    nodeId: number,
    limits: FetchLimits,
    wanted: () => readonly WantedPartition[],
  ): Promise<LeaderFetcher> {
    return new LeaderFetcher(nodeId, await client.openConnection(nodeId), limits, wanted)
  }

  private constructor(
    nodeId: number,
    connection: BrokerConnection,
    limits: FetchLimits,
    wanted: () => readonly WantedPartition[],
  ) {
    this.nodeId = nodeId
    this.#connection = connection
    this.#limits = limits
    this.#wanted = wanted
    this.#memory = new ResponseMemory(limits.bytesMax + RESPONSE_OVERHEAD, 2)
  }

  /** Sends the next request with the current positions. */
  request(): void {
    assert(this.#answer === undefined, 'one fetch at a time goes to a leader')
    this.#answer = this.#fetch()
    // Whoever polls sees the error; if nobody does any more, it is of no interest.
    this.#answer.catch(() => undefined)
  }

  /** The answer to the request that was sent last. */
  answer(): Promise<LeaderResponse> {
    assert(this.#answer !== undefined, 'an answer is awaited only after a request')
    return this.#answer
  }

  /** Says that the answer was received by its consumer. */
  take(): void {
    this.#answer = undefined
  }

  /** The offset after what a partition delivered. */
  advance(data: FetchedPartitionData, from: bigint): bigint {
    return offsetAfter(data.records, from)
  }

  close(): void {
    this.#connection.close()
  }

  async #fetch(): Promise<LeaderResponse> {
    const wanted = this.#wanted()
    const turn = this.#turn++ % wanted.length
    const inTurn = [...wanted.slice(turn), ...wanted.slice(0, turn)]
    const topics = [...Map.groupBy(inTurn, ({ topicId }) => topicId)].map(([topicId, members]) => ({
      topicId,
      partitions: members.map(({ partition, offset }) => ({ partition, offset, leaderEpoch: -1 })),
    }))
    let memory: Buffer | undefined
    const allocate = (size: number): Buffer => (memory = this.#memory.take(size))
    const timeoutMs = this.#limits.waitMs + 30_000
    const response = await this.#connection.call(fetchRecords, { ...this.#limits, topics }, { allocate, timeoutMs })
    const release = (): void => {
      if (memory !== undefined) this.#memory.give(memory)
      memory = undefined
    }
    return { ...response, leader: this, release }
  }
}
