import { setTimeout as sleep } from 'node:timers/promises'
import { toMillraceError, type MillraceError } from '../../../core/errors.ts'
import { OUTSIDE, type GroupMembership } from '../apis/groups.ts'
import { heartbeat, joinGroup, leaveGroup, syncGroup, type JoinGroupResponse } from '../apis/membership.ts'
import type { KafkaClient } from '../client.ts'
import type { BrokerConnection } from '../connection.ts'
import { KAFKA, kafkaError } from '../kafka-errors.ts'
import { pauseBefore } from '../retrying.ts'
import { assignCooperatively, keyOf } from './assign.ts'
import { HeartbeatPause } from './heartbeat-pause.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type PartitionOf,
} from './consumer-protocol.ts'

export interface GroupMemberOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Static membership (KIP-345): who comes back under this name in time gets the same partitions without a rebalance. */
  readonly instanceId?: string | undefined
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatMs: number
  /** How often the leader looks for new partitions. */
  readonly discoveryMs: number
  /** Partitions are ours from now on, unless the signal fires meanwhile: then they are another member's. */
  onAssigned(partitions: readonly PartitionOf[], signal: AbortSignal): Promise<void>
  /** Partitions go to another member once this resolves: their work has to be ended and committed, or abandoned. */
  onRevoked(partitions: readonly PartitionOf[]): Promise<void>
  /** Partitions were taken away already: nothing of them may be committed any more. */
  onLost(partitions: readonly PartitionOf[]): void
}

/** We are not a member any more, or not in this generation. */
const EXCLUDED: ReadonlySet<string> = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'])

/**
 * A member of a consumer group, by the classic protocol with incremental cooperative rebalancing: while the group is
 * shared out again, everybody goes on with what they keep, and a partition moves only when its owner has let go of it.
 *
 *   joining ──► stable ──heartbeat says rebalance──► joining      revoked partitions: work ends, then joining again
 *      ▲           │
 *      └──excluded─┘ everything is lost
 */
export class GroupMember {
  readonly #client: KafkaClient
  readonly #options: GroupMemberOptions
  #membership: GroupMembership
  #owned: readonly PartitionOf[] = []
  /** For requests that the coordinator holds: on the shared connection they would hold up commits. */
  #connection: { readonly nodeId: number; readonly connection: BrokerConnection } | undefined
  #isLeader = false
  #counted = ''
  #countedAt = 0
  #heardAt = 0
  #wantsJoin = true
  readonly #pause = new HeartbeatPause()

  constructor(client: KafkaClient, options: GroupMemberOptions) {
    this.#client = client
    this.#options = options
    this.#membership = { ...OUTSIDE, instanceId: options.instanceId ?? null }
  }

  /** Whom commits are signed with. */
  get membership(): GroupMembership {
    return this.#membership
  }

  get owned(): readonly PartitionOf[] {
    return this.#owned
  }

  /** Is a member until the signal; then it lets go of everything and leaves. Rejects with what no waiting can mend. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (let failures = 0; !signal.aborted;) {
        try {
          if (this.#wantsJoin) await this.#join()
          failures = 0
          if (this.#wantsJoin) continue
          await this.#pause.wait(this.#options.heartbeatMs, signal)
          if (!signal.aborted) await this.#beat()
        } catch (thrown) {
          await this.#recover(toMillraceError(thrown), ++failures, signal)
        }
      }
    } finally {
      this.#pause.end()
      await this.#leave()
    }
  }

  /** Asks the coordinator now, and resolves when it has answered: whoever was refused a commit wants to know. */
  async askNow(): Promise<void> {
    await this.#pause.ask()
  }

  /** Joining is carried to its end also when we are about to leave: half-way in, nothing can be committed. */
  async #join(): Promise<void> {
    const answer = await this.#joinOnce()
    if (answer === undefined) return
    this.#wantsJoin = false
    const { generation, memberId, leaderId } = answer
    this.#membership = { ...this.#membership, generation, memberId }
    this.#isLeader = leaderId === memberId
    const assignments = this.#isLeader ? await this.#assign(answer) : []
    const connection = await this.#coordinator()
    const { group, rebalanceTimeoutMs } = this.#options
    const request = { group, ...this.#membership, assignments }
    const synced = await connection.call(syncGroup, request, { timeoutMs: rebalanceTimeoutMs + 10_000 })
    if (synced.errorCode !== 0) throw this.#error(synced.errorCode, 'joining')
    this.#heardAt = performance.now()
    this.#pause.heard()
    await this.#take(decodeAssignment(synced.assignment))
  }

  /** Undefined when it has to be asked again with the id that it was given. */
  async #joinOnce(): Promise<JoinGroupResponse | undefined> {
    const { group, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const { memberId, instanceId } = this.#membership
    const metadata = encodeSubscription({ topics, owned: this.#owned })
    const times = { sessionTimeoutMs, rebalanceTimeoutMs }
    const request = { group, memberId, instanceId, ...times, protocol: 'cooperative-sticky', metadata }
    const connection = await this.#coordinator()
    const answer = await connection.call(joinGroup, request, { timeoutMs: rebalanceTimeoutMs + 10_000 })
    if (answer.errorCode === KAFKA.MEMBER_ID_REQUIRED) {
      this.#membership = { ...this.#membership, memberId: answer.memberId }
      return undefined
    }
    if (answer.errorCode !== 0) throw this.#error(answer.errorCode, 'joining')
    return answer
  }

  async #assign({ members }: JoinGroupResponse): Promise<{ memberId: string; assignment: Buffer }[]> {
    const subscriptions = new Map(members.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)]))
    const topics = [...new Set([...subscriptions.values()].flatMap((subscription) => subscription.topics))].sort()
    const partitions = await this.#partitionsOf(topics)
    this.#counted = partitions.map(keyOf).join()
    this.#countedAt = performance.now()
    return [...assignCooperatively(subscriptions, partitions)].map(([memberId, given]) => ({
      memberId,
      assignment: encodeAssignment(given),
    }))
  }

  /** Topics that do not exist yet have no partitions. */
  async #partitionsOf(topics: readonly string[]): Promise<PartitionOf[]> {
    const described = await this.#client.describeTopics(topics)
    return described.flatMap((topic) =>
      'errorCode' in topic ? [] : topic.partitions.map(({ partition }) => ({ topic: topic.name, partition })),
    )
  }

  async #take(given: readonly PartitionOf[]): Promise<void> {
    const before = new Set(this.#owned.map(keyOf))
    const after = new Set(given.map(keyOf))
    const revoked = this.#owned.filter((one) => !after.has(keyOf(one)))
    const added = given.filter((one) => !before.has(keyOf(one)))
    this.#owned = given
    if (added.length > 0) await this.#begin(added)
    if (revoked.length === 0) return
    const ended = this.#options.onRevoked(revoked)
    await this.#whileBeating(ended)
    this.#wantsJoin = true
  }

  async #begin(added: readonly PartitionOf[]): Promise<void> {
    const leaving = new AbortController()
    const begun = this.#options.onAssigned(added, leaving.signal)
    try {
      await this.#whileBeating(begun)
    } catch (thrown) {
      leaving.abort()
      // Whoever could not begin does not have them: they are shared out again.
      const isOurs = new Set(added.map(keyOf))
      this.#owned = this.#owned.filter((one) => !isOurs.has(keyOf(one)))
      this.#wantsJoin = true
      throw thrown
    }
  }

  /** Heartbeats go on: whoever takes long to begin or to end its work is no dead member. */
  async #whileBeating(work: Promise<void>): Promise<void> {
    const settled = new AbortController()
    const settle = (): void => settled.abort()
    work.then(settle, settle)
    for (;;) {
      await this.#pause.wait(this.#options.heartbeatMs, settled.signal)
      if (settled.signal.aborted) return await work
      await this.#beat().catch((thrown: unknown) => {
        const error = toMillraceError(thrown)
        if (error.retry !== 'retry') throw error
      })
    }
  }

  async #beat(): Promise<void> {
    const { group, discoveryMs } = this.#options
    const nodeId = await this.#client.coordinatorOf({ kind: 'group', key: group })
    const code = await this.#client.call(nodeId, heartbeat, { group, ...this.#membership })
    if (code === KAFKA.REBALANCE_IN_PROGRESS) this.#wantsJoin = true
    else if (code !== 0) throw this.#error(code, 'staying')
    this.#heardAt = performance.now()
    this.#pause.heard()
    if (!this.#isLeader || performance.now() - this.#countedAt < discoveryMs) return
    this.#countedAt = performance.now()
    const partitions = await this.#partitionsOf(this.#options.topics)
    const counted = partitions.map(keyOf).join()
    if (counted !== this.#counted && this.#counted !== '') this.#wantsJoin = true
  }

  async #recover(error: MillraceError, failures: number, signal: AbortSignal): Promise<void> {
    const kafka = String(error.detail['kafka'] ?? '')
    if (kafka === 'REBALANCE_IN_PROGRESS') {
      this.#wantsJoin = true
      return
    }
    if (EXCLUDED.has(kafka)) {
      this.#lose()
      return
    }
    if (error.retry !== 'retry') {
      this.#lose()
      throw error
    }
    // The coordinator has not heard of us either: it gives our partitions to others.
    if (this.#owned.length > 0 && performance.now() - this.#heardAt > this.#options.sessionTimeoutMs) this.#lose()
    await pause(pauseBefore(failures), signal)
  }

  #lose(): void {
    const lost = this.#owned
    this.#owned = []
    this.#membership = { ...this.#membership, generation: -1, memberId: '' }
    this.#wantsJoin = true
    if (lost.length > 0) this.#options.onLost(lost)
    this.#pause.heard()
  }

  /** A static member that leaves would give its name away: it stays until its session ends. */
  async #leave(): Promise<void> {
    const owned = this.#owned
    this.#owned = []
    if (owned.length > 0) await this.#options.onRevoked(owned)
    const { memberId, instanceId } = this.#membership
    const { group } = this.#options
    if (memberId !== '' && instanceId === null) {
      const nodeId = await this.#client.coordinatorOf({ kind: 'group', key: group }).catch(() => undefined)
      if (nodeId !== undefined)
        await this.#client.call(nodeId, leaveGroup, { group, memberId, instanceId }).catch(() => undefined)
    }
    this.#connection?.connection.close()
    this.#connection = undefined
  }

  async #coordinator(): Promise<BrokerConnection> {
    const nodeId = await this.#client.coordinatorOf({ kind: 'group', key: this.#options.group })
    const known = this.#connection
    if (known?.nodeId === nodeId && known.connection.isOpen) return known.connection
    known?.connection.close()
    const connection = await this.#client.openConnection(nodeId)
    this.#connection = { nodeId, connection }
    return connection
  }

  #error(code: number, doing: string): MillraceError {
    const { group } = this.#options
    return kafkaError(code, `${doing} in the Kafka group ${group}`, { group })
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
