import { setTimeout as sleep } from 'node:timers/promises'
import { toMillraceError } from '../core/errors.ts'
import {
  KafkaAdmin,
  OUTSIDE,
  type GroupMembership,
  type GroupOffset,
  type KafkaClient,
  type PartitionOf,
} from '../clients/kafka/index.ts'
import type { ConsumedMessage } from './consumed-message.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { isRefusedMember } from './membership-errors.ts'
import { keyOf, PartitionWork } from './partition-work.ts'
import type { ConsumedOffsets } from './transactional-producer.ts'

/** How long a rebalance may be in the way of the last commit of a partition. */
const LAST_MS = 5000
const LAST_PAUSE_MS = 50

/** What a group has stored, and storing more. */
export class ConsumerOffsets {
  readonly #client: KafkaClient
  readonly #options: Pick<ConsumerOptions, 'group' | 'start' | 'isolation'>
  readonly #membership: () => GroupMembership | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    client: KafkaClient,
    options: Pick<ConsumerOptions, 'group' | 'start' | 'isolation'>,
    membership: () => GroupMembership | undefined,
  ) {
    this.#client = client
    this.#options = options
    this.#membership = membership
  }

  /** Partitions with where to begin. */
  async begin(partitions: readonly PartitionOf[]): Promise<PartitionWork[]> {
    const { group, start = 'earliest', isolation } = this.#options
    const stored = await new KafkaAdmin(this.#client).groupOffsets(group, true)
    const known = new Map(stored.map((at) => [keyOf(at), at.offset]))
    const unknown = partitions.filter((one) => !known.has(keyOf(one)))
    const begin = await this.#client.listOffsets(unknown, start, isolation)
    unknown.forEach((one, index) => known.set(keyOf(one), begin[index] ?? 0n))
    const topics = await this.#client.topics([...new Set(partitions.map(({ topic }) => topic))])
    const ids = new Map(topics.map(({ name, topicId }) => [name, topicId]))
    return partitions.map((one) => {
      const work = new PartitionWork({ ...one, topicId: ids.get(one.topic) ?? '' }, known.get(keyOf(one)) ?? 0n)
      // A group that begins at the end has to know where that was.
      if (unknown.includes(one)) work.committed = -1n
      return work
    })
  }

  /** Stores positions; what a rebalance is in the way of is stored by the next commit, for whoever still has the partition. */
  async commit(works: readonly PartitionWork[]): Promise<void> {
    await this.#commitOnce(works)
  }

  /** As `commit`, for partitions that are given back: there is no next time, so a rebalance is waited for. */
  async commitLast(works: readonly PartitionWork[]): Promise<void> {
    for (const end = performance.now() + LAST_MS; !(await this.#commitOnce(works)) && performance.now() < end;)
      await sleep(LAST_PAUSE_MS)
  }

  /** Runs a transaction that commits offsets. One that was older and came later would put the group back. */
  exclusively<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** False when another try may help. */
  #commitOnce(works: readonly PartitionWork[]): Promise<boolean> {
    return this.exclusively(() => this.#commitNow(works))
  }

  async #commitNow(works: readonly PartitionWork[]): Promise<boolean> {
    const changed = works.filter(({ tracker, committed }) => tracker.position !== committed)
    if (changed.length === 0) return true
    const offsets: GroupOffset[] = changed.map(({ topic, partition, tracker }) => ({
      topic,
      partition,
      offset: tracker.position,
    }))
    try {
      const admin = new KafkaAdmin(this.#client)
      await admin.commitGroupOffsets(this.#options.group, offsets, this.#membership() ?? OUTSIDE)
      changed.forEach((work, index) => (work.committed = offsets[index]?.offset ?? work.committed))
    } catch (thrown) {
      const error = toMillraceError(thrown)
      const kafka = String(error.detail['kafka'])
      if (!isRefusedMember(error) && error.retry !== 'retry') throw error
      return kafka === 'ILLEGAL_GENERATION' || kafka === 'UNKNOWN_MEMBER_ID'
    }
    return true
  }

  /** What a transaction has to commit when these messages are done. */
  after(messages: readonly ConsumedMessage[]): ConsumedOffsets {
    const last = new Map(messages.map((message) => [keyOf(message), message]))
    const offsets = [...last.values()].map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset: offset + 1n,
    }))
    return { group: this.#options.group, offsets, member: this.#membership() ?? OUTSIDE }
  }
}
