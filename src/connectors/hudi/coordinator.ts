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
import { judge } from './evidence.ts'
import { type PreparedCommit, actionOf } from './prepared-commit.ts'
import { findTraces } from './find-traces.ts'
import type { Instant } from './instant.ts'
import { mergeFiles } from './merge/merge-files.ts'
import { openTable } from './open-table.ts'
import { rollback } from './rollback.ts'
import { sweepTable } from './sweep.ts'
import { type HudiTable, refuseChangedTable } from './table.ts'
import { type ServiceRules, TableServices } from './table-services.ts'
import { compareInstants, loadTimeline } from './timeline.ts'
import { TimelineWatch } from './timeline-watch.ts'

export interface HudiTarget {
  readonly address: string
  readonly table: HudiTable
  readonly stored: StoredSchema
  readonly schemaChange: 'fail' | 'evolve'
  readonly rules: ServiceRules
}

interface OpenedTable {
  readonly store: FileStore
  readonly timeline: TimelineWatch
  /** Of commits from now on. */
  readonly avroSchema: string
  services: TableServices
}

/**
 * Keeps an instant for every checkpoint and completes it when the checkpoint is published. The instant is put on the
 * timeline by the first lane that has a row for it: a checkpoint without rows leaves no trace in the table.
 */
export class HudiCoordinator implements SinkCoordinator {
  readonly #context: CoordinatorContext
  readonly #target: HudiTarget
  /** The instant of the newest ticket. */
  #newest: Instant = ''
  #opened: Promise<OpenedTable> | undefined

  constructor(context: CoordinatorContext, target: HudiTarget) {
    this.#context = context
    this.#target = target
  }

  readonly remembersCommits = true

  async begin(checkpoint: CheckpointId, epoch: RunEpoch): Promise<JsonObject> {
    const { store, timeline } = await this.#open()
    await refuseChangedTable(store)
    const instant = await timeline.next()
    this.#newest = instant
    const { job, id: sink } = this.#context
    return ticketToJson({ instant, owner: { job, sink, epoch, checkpoint } })
  }

  async combine(_checkpoint: CheckpointId, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const { avroSchema, services } = await this.#open()
    const decoded = parts.map(partFromJson)
    const prepared: PreparedCommit[] = []
    const [first] = decoded
    if (first !== undefined) {
      const { instant, owner } = first.ticket
      for (const { ticket } of decoded) assert(ticket.instant === instant, 'all lanes wrote for the same instant')
      prepared.push({ instant, owner, stats: decoded.flatMap((part) => part.stats), avroSchema })
    }
    const merge = services.takeReady(this.#newest)
    if (merge !== undefined) prepared.push(merge)
    // One table is one order: instants have to complete in the order of their times.
    return prepared
      .toSorted((a, b) => compareInstants(a.instant, b.instant))
      .map((each) => ({ orderKey: 'table', rows: rowsOf(each), committable: preparedToJson(each) }))
  }

  async commit(_permit: CommitPermit, committable: JsonObject): Promise<CommitOutcome> {
    const prepared = preparedFromJson(committable)
    try {
      const { store, timeline, services } = await this.#open()
      let result = await commitInstant(store, prepared, await timeline.read())
      if (result.result === 'blocked') result = await this.#unblock(store, prepared, result.older)
      failpoint('commit', 'sent')
      if (result.result === 'lost' && prepared.merge !== undefined) return await this.#drop(prepared)
      if (result.result === 'committed' || result.result === 'already-committed') services.committed(prepared)
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
        const prepared = preparedFromJson(committable)
        const decision = await judge(store, timeline, prepared)
        // A merge that cannot be completed any more is settled too: the rows are in the files that it would replace.
        const isSettled = decision.act === 'lost' && prepared.merge !== undefined
        if (decision.act === 'done' || isSettled) return { state: 'committed' }
        if (decision.act === 'commit') return { state: 'committable' }
        if (decision.act === 'halt') return { state: 'unknown', reason: decision.reason }
        return { state: 'lost', reason: decision.reason, expired: false }
      }),
    )
  }

  async abort(committable: JsonObject): Promise<'aborted' | 'committed' | 'unknown'> {
    const { store } = await this.#open()
    const prepared = preparedFromJson(committable)
    const decision = await judge(store, await loadTimeline(store), prepared)
    if (decision.act === 'done') return 'committed'
    if (decision.act === 'halt') return 'unknown'
    await this.#takeBack(prepared)
    return 'aborted'
  }

  async sweep(scope: SweepScope): Promise<SweepReport> {
    const opened = await this.#open()
    const { store, timeline } = opened
    await this.#stopServices(opened)
    opened.services = this.#services(opened)
    const aborted = await sweepTable(store, {
      sink: { job: this.#context.job, sink: this.#context.id },
      below: scope.below,
      keep: new Set(scope.keep.map((each) => preparedFromJson(each).instant)),
      ...timeline.promised,
    })
    timeline.forget()
    return { aborted, found: aborted.length }
  }

  async findTraces(own: RunEpoch, known: CheckpointId): Promise<readonly string[]> {
    const { store, timeline } = await this.#open()
    const sink = { job: this.#context.job, sink: this.#context.id }
    return await findTraces(store, await timeline.read(), { sink, own, known })
  }

  async fingerprint(): Promise<JsonObject> {
    const { address, table } = this.#target
    return { path: address, table: table.name, partitionBy: [...table.partitionFields] }
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    this.#opened = undefined
    if (opened !== undefined) await this.#stopServices(opened)
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
    const timeline = new TimelineWatch(store, this.#context.clock)
    const table = { store, timeline, avroSchema }
    return { ...table, services: this.#services(table) }
  }

  #services(table: Omit<OpenedTable, 'services'>): TableServices {
    const { clock, log } = this.#context
    const { rules, table: hudiTable } = this.#target
    return new TableServices({ ...table, table: hudiTable.name, rules, clock, log, mergeFiles })
  }

  /** What cannot be taken back now is swept at the next start. */
  async #stopServices({ services }: OpenedTable): Promise<void> {
    await services.stop().catch((thrown: unknown) => {
      this.#context.log.warn(`stopping the services of the Hudi table: ${toMillraceError(thrown).message}`)
    })
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
      await this.#takeBack(dead)
    }
    return await commitInstant(store, prepared)
  }

  async #takeBack(pending: Pick<PreparedCommit, 'instant' | 'owner' | 'merge'>): Promise<void> {
    const { store, timeline } = await this.#open()
    const { instant, owner } = pending
    const action = actionOf(pending)
    const found = (await loadTimeline(store)).find(instant, action)
    if (found === undefined || found.state === 'completed') return
    await rollback(store, { instant, action, owner, ...timeline.promised })
  }

  /** Another writer touched what the merge would replace. */
  async #drop(prepared: PreparedCommit): Promise<CommitOutcome> {
    await this.#takeBack(prepared)
    const { services } = await this.#open()
    services.dropped(prepared)
    return { outcome: 'already-committed' }
  }
}

/** A merge adds no rows. */
function rowsOf({ stats, merge }: PreparedCommit): number {
  return merge === undefined ? stats.reduce((sum, { rows }) => sum + rows, 0) : 0
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
