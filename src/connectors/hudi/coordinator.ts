import { assert } from '../../core/assert.ts'
import type {
  CheckpointId,
  CommitOutcome,
  CommitPermit,
  Evidence,
  RunEpoch,
  SweepReport,
  SweepScope,
} from '../../core/checkpoint-types.ts'
import type { CoordinatorContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GlobalCommittable, SinkCoordinator } from '../../core/sink.ts'
import type { StoredSchema } from './avro-schema.ts'
import { commitInstant, type CommitResult } from './commit.ts'
import { partFromJson, preparedFromJson, preparedToJson, ticketToJson, type Ticket } from './committable.ts'
import { judge, type PreparedCommit } from './evidence.ts'
import { findTraces } from './find-traces.ts'
import type { Instant } from './instant.ts'
import { openTable } from './open-table.ts'
import { rollback } from './rollback.ts'
import { sweepTable } from './sweep.ts'
import { type HudiTable, refuseChangedTable } from './table.ts'
import { loadTimeline } from './timeline.ts'
import { TimelineWatch } from './timeline-watch.ts'

export interface HudiTarget {
  readonly address: string
  readonly table: HudiTable
  readonly stored: StoredSchema
  readonly schemaChange: 'fail' | 'evolve'
}

interface OpenedTable {
  readonly store: FileStore
  readonly timeline: TimelineWatch
  /** Of commits from now on. */
  readonly avroSchema: string
}

/**
 * Keeps an instant for every checkpoint and completes it when the checkpoint is published. The instant is put on the
 * timeline by the first lane that has a row for it: a checkpoint without rows leaves no trace in the table.
 */
export class HudiCoordinator implements SinkCoordinator {
  readonly #context: CoordinatorContext
  readonly #target: HudiTarget
  /** The newest instant that was kept for a checkpoint; it may not be on the timeline yet. */
  #last: Instant | undefined
  #opened: Promise<OpenedTable> | undefined

  constructor(context: CoordinatorContext, target: HudiTarget) {
    this.#context = context
    this.#target = target
  }

  async begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject> {
    const { store, timeline } = await this.#open()
    await refuseChangedTable(store)
    const now = this.#context.clock.now()
    const instant = (await timeline.read(now)).next(now, this.#last)
    this.#last = instant
    const { job, id: sink } = this.#context
    return ticketToJson({ instant, owner: { job, sink, epoch, checkpoint } })
  }

  async combine(_checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const decoded = parts.map(partFromJson)
    const [first] = decoded
    if (first === undefined) return []
    const { instant, owner } = first.ticket
    for (const { ticket } of decoded) assert(ticket.instant === instant, 'all lanes wrote for the same instant')
    const stats = decoded.flatMap((part) => part.stats)
    const rows = stats.reduce((sum, stat) => sum + stat.rows, 0)
    const { avroSchema } = await this.#open()
    const prepared = { instant, owner, stats, avroSchema }
    // One table is one order: instants have to complete in the order of their times.
    return [{ orderKey: 'table', rows, committable: preparedToJson(prepared) }]
  }

  async commit(_permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome> {
    const prepared = preparedFromJson(committable)
    try {
      const { store, timeline } = await this.#open()
      let result = await commitInstant(store, prepared, await timeline.read(this.#context.clock.now()))
      if (result.result === 'blocked') result = await this.#unblock(store, prepared, result.older)
      failpoint('commit', 'sent')
      return outcomeOf(result)
    } catch (thrown) {
      const error = toMillraceError(thrown)
      // What another writer made of the table is no open question: nothing was committed, and the run has to end.
      if (error.code === 'SCHEMA' || error.code === 'PREFLIGHT') throw error
      return { outcome: error.retry === 'retry' ? 'retry' : 'unknown', reason: error.message }
    }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    const { store } = await this.#open()
    const timeline = await loadTimeline(store)
    return await Promise.all(
      committables.map(async (committable): Promise<Evidence> => {
        const decision = await judge(store, timeline, preparedFromJson(committable))
        if (decision.act === 'done') return { state: 'committed' }
        if (decision.act === 'commit') return { state: 'committable' }
        if (decision.act === 'halt') return { state: 'unknown', reason: decision.reason }
        return { state: 'lost', reason: decision.reason, expired: false }
      }),
    )
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const { store } = await this.#open()
    const { instant, owner, ...rest } = preparedFromJson(committable)
    const decision = await judge(store, await loadTimeline(store), { instant, owner, ...rest })
    if (decision.act === 'done') return 'committed'
    if (decision.act === 'halt') return 'unknown'
    await this.#takeBack(store, { instant, owner })
    return 'aborted'
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const { store, timeline } = await this.#open()
    const aborted = await sweepTable(store, {
      sink: { job: this.#context.job, sink: this.#context.id },
      below: scope.below,
      keep: new Set(scope.keep.map((each) => preparedFromJson(each).instant)),
      nowMs: this.#context.clock.now(),
      ...(this.#last === undefined ? {} : { after: this.#last }),
    })
    timeline.forget()
    return { aborted, found: aborted.length }
  }

  async findTraces(own: RunEpoch): Promise<readonly string[]> {
    const { store } = await this.#open()
    const sink = { job: this.#context.job, sink: this.#context.id }
    return await findTraces(store, await loadTimeline(store), { sink, own })
  }

  async fingerprint(): Promise<JsonObject> {
    const { address, table } = this.#target
    return { path: address, table: table.name, partitionBy: [...table.partitionFields] }
  }

  async close(): Promise<void> {
    this.#opened = undefined
  }

  /** The table, made, or checked against the pipeline, the first time. */
  #open(): Promise<OpenedTable> {
    this.#opened ??= this.#openOnce().catch((thrown: unknown) => {
      this.#opened = undefined
      throw thrown
    })
    return this.#opened
  }

  async #openOnce(): Promise<OpenedTable> {
    const store = await this.#context.openStore(this.#target.address)
    const avroSchema = await openTable(store, this.#target, this.#context.log)
    return { store, timeline: new TimelineWatch(store), avroSchema }
  }

  /**
   * Published checkpoints are committed in order, oldest first, so an older pending instant of this sink belongs to none
   * of them: its run died, or was rewound.
   */
  async #unblock(
    store: FileStore,
    prepared: PreparedCommit,
    older: readonly Pick<Ticket, 'instant' | 'owner'>[],
  ): Promise<CommitResult> {
    for (const dead of older) {
      if (dead.owner.checkpoint > prepared.owner.checkpoint || dead.owner.epoch > prepared.owner.epoch) {
        return { result: 'halt', reason: `an older instant, ${dead.instant}, belongs to a later checkpoint` }
      }
      await this.#takeBack(store, dead)
    }
    return await commitInstant(store, prepared)
  }

  async #takeBack(store: FileStore, { instant, owner }: Pick<Ticket, 'instant' | 'owner'>): Promise<void> {
    const found = (await loadTimeline(store)).find(instant)
    if (found === undefined || found.state === 'completed') return
    const after = this.#last === undefined ? {} : { after: this.#last }
    await rollback(store, { instant, owner, nowMs: this.#context.clock.now(), ...after })
  }
}

function outcomeOf(result: CommitResult): CommitOutcome {
  switch (result.result) {
    case 'committed':
    case 'already-committed':
      return { outcome: result.result }
    case 'lost':
      return { outcome: 'lost', reason: result.reason, expired: false }
    case 'halt':
      return { outcome: 'unknown', reason: result.reason }
    case 'blocked':
      return { outcome: 'unknown', reason: 'older instants of this sink are still pending' }
  }
}
