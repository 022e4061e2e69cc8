import type {
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../../core/context.ts'
import { toMillraceError, type MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../../core/sink.ts'
import {
  describeTransaction,
  endTransaction,
  fenceTransaction,
  findTransactions,
  isKafkaError,
  type KafkaClient,
} from '../../../clients/kafka/index.ts'
import { committableOf, type KafkaCommittable } from './committable.ts'
import { fateOf } from './fate.ts'
import { idPrefix, parseId, sinkName, type SinkName } from './names.ts'
import type { KafkaSinkOptions } from './options.ts'
import { ensureProgressTopic, readProgress, type ProgressEntry } from './progress.ts'
import { Slots } from './slots.ts'

/** How many names a report of traces gives. */
const TRACES_MAX = 10
/** Markers are written within milliseconds, once all brokers are there. */
const LOOKS_MAX = 30
const LOOK_PAUSE_MS = 100

/**
 * Ends transactions by the producer id and epoch that the manifest carries (Flink's Kafka sink does the same by
 * reflection, FLIP-319). Kafka cannot prepare a transaction: an open one is committable until its time limit.
 */
export class KafkaCoordinator implements SinkCoordinator {
  /** The progress topic keeps the newest record of each lane for as long as the cluster lives. */
  readonly remembersCommits: boolean
  readonly #options: KafkaSinkOptions
  readonly #client: KafkaClient
  readonly #context: CoordinatorContext
  readonly #name: SinkName
  readonly #slots = new Slots()
  #hasTopic: Promise<void> | undefined
  /** The transactions of a slot are counted when it is combined; by then its epoch is over only in a rewind. */
  readonly #tickets = new Map<number, { readonly epoch: number; readonly slot: number }>()

  constructor(options: KafkaSinkOptions, client: KafkaClient, context: CoordinatorContext) {
    this.#options = options
    this.#client = client
    this.#context = context
    this.#name = sinkName(options, context)
    this.remembersCommits = context.delivery === 'two-phase'
  }

  async begin(checkpoint: number, epoch: number): Promise<JsonObject> {
    if (this.#context.delivery === 'two-phase') {
      this.#hasTopic ??= this.#client.retrying(`making Kafka topic ${this.#options.progressTopic}`, () =>
        ensureProgressTopic(this.#client, this.#options.progressTopic),
      )
      await this.#hasTopic.catch((thrown: unknown) => {
        this.#hasTopic = undefined
        throw thrown
      })
    }
    const slot = this.#slots.take(epoch, checkpoint)
    this.#tickets.set(checkpoint, { epoch, slot })
    return { epoch, checkpoint, slot }
  }

  async combine(checkpoint: number, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const ticket = this.#tickets.get(checkpoint)
    this.#tickets.delete(checkpoint)
    if (ticket !== undefined) this.#slots.prepared(ticket.epoch, ticket.slot, parts.length)
    return parts.map((committable) => {
      const { lane, rows } = committableOf(committable)
      return { orderKey: `lane-${lane}`, rows, committable }
    })
  }

  async commit(_permit: CommitPermit, json: JsonObject): Promise<CommitOutcome> {
    const committable = committableOf(json)
    const outcome = await this.#commit(committable)
    if (outcome.outcome === 'committed' || outcome.outcome === 'already-committed')
      this.#slots.committed(committable.epoch, committable.slot)
    return outcome
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    if (committables.length === 0) return []
    return await this.#fates(committables.map(committableOf))
  }

  async abort(json: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const committable = committableOf(json)
    try {
      await endTransaction(this.#client, committable.handle, false)
      return 'aborted'
    } catch (thrown) {
      if (!isEnded(toMillraceError(thrown))) throw thrown
    }
    const [fate] = await this.#fates([committable])
    if (fate?.state === 'committed') return 'committed'
    return fate?.state === 'lost' ? 'aborted' : 'unknown'
  }

  /**
   * Open transactions hold back everybody who reads committed records, so all of them that no manifest owns are aborted.
   * Ids of the runs since the last sweep are fenced in any case: their process may be asleep before its next transaction.
   */
  async sweep({ below, runs, keep }: SweepScope): Promise<SweepReport> {
    const kept = new Set(keep.map((json) => committableOf(json).handle.transactionalId))
    const epochs = new Set(runs.map(({ epoch }) => epoch))
    const listed = await findTransactions(this.#client, idPrefix(this.#name))
    const aborted: string[] = []
    for (const { transactionalId, state } of listed) {
      const parts = parseId(this.#name, transactionalId)
      if (parts === undefined || parts.epoch >= below || kept.has(transactionalId)) continue
      const isOpen = state === 'Ongoing'
      if (!isOpen && !epochs.has(parts.epoch)) continue
      await fenceTransaction(this.#client, transactionalId)
      if (isOpen) aborted.push(transactionalId)
    }
    return { aborted, found: listed.length }
  }

  async findTraces(own: RunEpoch, known: number): Promise<readonly string[]> {
    if (this.#context.delivery !== 'two-phase') return []
    const committed = (await this.#progress())
      .filter(({ outcome, checkpoint }) => outcome === 'committed' && checkpoint > known)
      .map(({ lane, epoch, checkpoint }) => `lane ${lane}, epoch ${epoch}, checkpoint ${checkpoint}`)
    const open = (await findTransactions(this.#client, idPrefix(this.#name), ['Ongoing']))
      .map(({ transactionalId }) => transactionalId)
      .filter((id) => (parseId(this.#name, id)?.epoch ?? -1) >= own)
    return [...committed, ...open].slice(0, TRACES_MAX)
  }

  async fingerprint(): Promise<JsonObject> {
    const { topic } = this.#options
    const [found] = await this.#client.topics([topic])
    return { cluster: (await this.#client.cluster()).clusterId, topic, topicId: found?.topicId ?? '' }
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #commit(committable: KafkaCommittable): Promise<CommitOutcome> {
    const { handle } = committable
    try {
      await endTransaction(this.#client, handle, true)
      failpoint('commit', 'sent')
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (!isEnded(error)) {
        if (error.retry === 'halt') throw error
        return { outcome: 'retry', reason: error.message }
      }
      const [fate] = await this.#fates([committable])
      switch (fate?.state) {
        case 'committed':
          return { outcome: 'already-committed' }
        case 'committable':
          return { outcome: 'retry', reason: error.message }
        case 'lost':
          return { outcome: 'lost', reason: fate.reason, expired: fate.expired }
        default:
          return { outcome: 'unknown', reason: fate?.reason ?? error.message }
      }
    }
    // It is decided now; the markers are written after the answer. The same question is answered when they are there.
    await endTransaction(this.#client, handle, true).catch(() => undefined)
    return { outcome: 'committed' }
  }

  /**
   * What the coordinators of Kafka say is asked first: what has ended by then is in the topic that is read after it,
   * unless its markers are still being written.
   */
  async #fates(committables: readonly KafkaCommittable[]): Promise<Evidence[]> {
    for (let look = 1; ; look++) {
      const described = await Promise.all(
        committables.map(({ handle }) => describeTransaction(this.#client, handle.transactionalId)),
      )
      const progress = await this.#progress()
      const fates = committables.map((committable, index) => fateOf(committable, progress, described[index]))
      if (look === LOOKS_MAX || fates.every(({ state }) => state !== 'unknown')) return fates
      await this.#context.clock.sleep(LOOK_PAUSE_MS)
    }
  }

  #progress(): Promise<ProgressEntry[]> {
    return readProgress(this.#client, this.#options.progressTopic, this.#name)
  }
}

/** The transaction of this producer id and epoch is over; whether well or not is another question. */
function isEnded(error: MillraceError): boolean {
  return (
    error.code === 'FENCED' ||
    isKafkaError(error, 'INVALID_TXN_STATE') ||
    isKafkaError(error, 'INVALID_PRODUCER_ID_MAPPING') ||
    isKafkaError(error, 'UNKNOWN_PRODUCER_ID')
  )
}
