import { addAccounting, NOTHING } from '../checkpoint/accounting.ts'
import { assert } from '../core/assert.ts'
import type { StateByStep } from '../checkpoint/kept-state.ts'
import type { Batch, Item, SplitId } from '../core/batch.ts'
import type { SchemaChange } from '../core/changes.ts'
import { failpoint } from '../core/failpoints.ts'
import type { Edge } from '../plan/plan.ts'
import type { LaneEventTime } from './event-time/lane-event-time.ts'
import type { Spreader } from './exchange/spreader.ts'
import { HandedCounter, type CutTable, type HandedRecords } from './handed-records.ts'
import { HeldChanges } from './held-changes.ts'
import type { Diverter } from './diverter.ts'
import type { LetterBox } from './letter-box.ts'
import type { FromLane, LaneAck, SplitProgress, ToLane } from './messages.ts'
import type { SourceTask } from './source-task.ts'
import type { Stage, StageCut } from './stage.ts'
import { sumWritten } from './written-rows.ts'

/** The steps of one lane, made by lane-steps.ts from the plan. */
export interface LaneSteps {
  readonly sources: ReadonlyMap<
    string,
    { readonly task: SourceTask; readonly edges: readonly Edge[]; readonly rebalance: boolean }
  >
  /** In the order of the flow; without an exchange there is one. Sources feed the first. */
  readonly stages: readonly Stage[]
  /** Of the exchanges whose rows may go to any lane. */
  readonly spreaders: ReadonlyMap<string, Spreader>
  readonly eventTime: LaneEventTime
  /** Takes rows out of a table of this lane, for a search. */
  readonly cutTable: CutTable
  /** Where the plan has dead letters: those of this lane, and the sinks that take them. */
  readonly letters?: {
    readonly box: LetterBox
    readonly sinks: ReadonlySet<string>
    readonly diverter: Diverter
  }
}

type Message<K extends ToLane['kind']> = ToLane & { kind: K }

/**
 * One lane: reader → transforms → writer, one item at a time. Sources poll side by side; the gate of the first stage lets
 * one item through its steps at a time, so a barrier that passes the gate finds every step between two items.
 */
export class Lane {
  readonly #steps: LaneSteps
  readonly #first: Stage
  readonly #tell: (message: FromLane) => void
  readonly #handed: HandedCounter
  readonly #changes = new HeldChanges()
  #attempt = 0
  /** The checkpoint that is being filled. */
  #filling = 0
  #isRunning = false
  /** False after the last barrier: then only what was read before it goes on. */
  #isReading = false
  /** Nothing runs and nothing is open: a start needs no halt before it. */
  #isAtRest = true
  #dirty = false
  #drained = false
  /** Calls of `start` and `halt`: a start that waited finds out whether it still counts. */
  #turn = 0
  /** A batch is on its way through the steps. */
  #isHandling = false
  /** While kept state is read back; never rejects. */
  #restoring: Promise<void> | undefined

  constructor(steps: LaneSteps, tell: (message: FromLane) => void) {
    const [first] = steps.stages
    assert(first !== undefined, 'a lane has a stage')
    this.#steps = steps
    this.#first = first
    this.#handed = new HandedCounter(steps.cutTable)
    this.#tell = tell
  }

  async start(message: Message<'start'>): Promise<void> {
    const { attempt, checkpoint, tickets } = message
    this.#attempt = attempt
    if (!this.#isAtRest) await this.halt()
    const turn = ++this.#turn
    if (this.#hasState) await this.#restore(attempt, message.state)
    // A later start came in between.
    if (this.#attempt !== attempt || this.#turn !== turn) return
    this.#isAtRest = false
    this.#handed.begin(checkpoint, message.trial)
    this.#steps.letters?.box.begin(checkpoint)
    this.#steps.letters?.diverter.begin(message.divert)
    this.#filling = checkpoint
    this.#steps.eventTime.begin()
    for (const [id, { task }] of this.#steps.sources) {
      const splits = message.assignments[id] ?? []
      task.assign(splits)
      this.#steps.eventTime.add(
        id,
        splits.map(({ split }) => split),
      )
    }
    this.#dirty = false
    this.#drained = false
    this.#isRunning = true
    this.#isReading = true
    this.#isHandling = false
    // The last stage first: rows of other lanes may be there already.
    for (const stage of this.#steps.stages.toReversed()) stage.begin(attempt, checkpoint, tickets)
    for (const { task } of this.#steps.sources.values()) this.#runSource(task)
    this.#checkDrained()
  }

  async add(message: Message<'add'>): Promise<void> {
    if (this.#restoring !== undefined) await this.#restoring
    this.#steps.eventTime.add(
      message.source,
      message.splits.map(({ split }) => split),
    )
    this.#steps.letters?.diverter.forget(message.source, message.splits)
    this.#steps.sources.get(message.source)?.task.add(message.splits)
    if (message.splits.length > 0) this.#drained = false
  }

  /** Rest, and throw away what was not cut. Writers go first: an item may be stuck in one of them. */
  async halt(): Promise<void> {
    this.#turn += 1
    this.#isRunning = false
    if (this.#restoring !== undefined) await this.#restoring
    const resting = this.#stopReading()
    await Promise.all(this.#steps.stages.map((stage) => stage.rollback()))
    await resting
    // What was still on its way through the steps finds them at rest.
    await Promise.all(this.#steps.stages.map((stage) => stage.enter(() => undefined)))
    this.#isAtRest = true
  }

  /** The barrier: cuts every stage between two items, then reports when everything is prepared. */
  async barrier(message: Message<'barrier'>): Promise<void> {
    const attempt = this.#attempt
    if (this.#restoring !== undefined) await this.#restoring
    const revoked = [...this.#steps.sources.values()].filter(({ task }) => message.revoke?.[task.id] !== undefined)
    const [{ cut, positions, letters }, ...later] = await Promise.all([
      this.#first.enter(() => this.#cutFirst(message)).then((first) => this.#readOn(attempt, revoked, first)),
      ...this.#steps.stages.slice(1).map((stage) => stage.cutWhenAligned(message)),
    ])
    const cuts = [await cut(), ...later]
    if (attempt !== this.#attempt) return
    const writers = cuts.flatMap((each) => each.writers)
    const ack: LaneAck = {
      checkpoint: message.checkpoint,
      positions,
      committables: Object.fromEntries(writers.map(([id, result]) => [id, result.committables])),
      accounting: {
        ...cuts.map(({ counts }) => counts).reduce(addAccounting, NOTHING),
        ...sumWritten(cuts, message.checkpoint, this.#steps.letters?.sinks),
      },
      ...(letters && { letters }),
      ...(this.#hasState && { state: Object.fromEntries(cuts.flatMap((each) => each.state)) }),
    }
    failpoint('chk.ack', 'before')
    this.#tell({ kind: 'acked', attempt, ack })
    failpoint('chk.ack', 'after')
  }

  /** What was handed on into checkpoints that may not be published. */
  handed(): HandedRecords[] {
    return this.#handed.report()
  }

  positions(): Record<string, SplitProgress[]> {
    return Object.fromEntries([...this.#steps.sources].map(([id, { task }]) => [id, task.positions()]))
  }

  /** `elapsedMs` since the last call. */
  reportProgress(elapsedMs: number): void {
    // While an item waits for those behind it, nobody can tell a quiet split from one that has no turn.
    if (!this.#isHandling && this.#isReading) this.#steps.eventTime.passed(elapsedMs)
    this.#tellEventTime()
    if (this.#isReading && this.#steps.stages.some((stage) => stage.isDue)) this.#noteRead()
    const steps = Object.assign({}, ...this.#steps.stages.map((stage) => stage.totals()))
    this.#tell({ kind: 'progress', steps, positions: this.positions() })
    for (const { task, rebalance } of this.#steps.sources.values()) {
      const { id: source, behindMs } = task
      this.#tell({ kind: 'behind', source, ...(behindMs !== undefined && { ms: behindMs }) })
      const splits = task.takeRead()
      if (rebalance && splits.length > 0) this.#tell({ kind: 'split-bytes', source: task.id, splits })
    }
    for (const [step, rows] of this.#steps.stages.flatMap((stage) => stage.kept())) {
      this.#tell({ kind: 'kept', step, rows })
    }
    for (const [exchange, sent] of this.#steps.stages.flatMap((stage) => stage.sent())) {
      const scattered = this.#steps.spreaders.get(exchange)?.scattered ?? 0
      this.#tell({ kind: 'exchanged', exchange, ...sent, scattered })
    }
    for (const [exchange, spreader] of this.#steps.spreaders) {
      const values = spreader.report()
      if (values.length > 0) this.#tell({ kind: 'measured', exchange, values })
    }
  }

  /** The sinks follow the change that a source waits with. */
  changed({ attempt, source }: Message<'changed'>): void {
    if (attempt === this.#attempt) this.#changes.pass(source)
  }

  /** Sends rows that may go to any lane as the coordinator decided. */
  follow({ exchange, routes }: Message<'routes'>): void {
    this.#steps.spreaders.get(exchange)?.follow(routes)
  }

  async close(): Promise<void> {
    this.#isRunning = false
    const resting = this.#stopReading()
    await Promise.all(this.#steps.stages.map((stage) => stage.closeEnds()))
    await resting
    await Promise.allSettled([
      ...[...this.#steps.sources.values()].map(({ task }) => task.close()),
      ...this.#steps.stages.map((stage) => stage.closeOperators()),
    ])
  }

  /** For errors that no call of this lane hears of, such as those of rows that came from another lane. */
  fail(error: unknown): void {
    this.#fail(this.#attempt, error)
  }

  /** Set by the thread: how an error reaches the coordinator. */
  failed: (attempt: number, error: unknown) => void = () => undefined

  async #cutFirst(message: Message<'barrier'>): Promise<{
    readonly cut: () => Promise<StageCut>
    readonly positions: Record<string, SplitProgress[]>
    readonly letters: LaneAck['letters']
  }> {
    failpoint('chk.barrier', 'before')
    if (message.last) void this.#stopReading()
    const cut = await this.#first.cut(message)
    const positions = this.positions()
    for (const [source, splits] of Object.entries(message.revoke ?? {})) this.#revoke(source, splits)
    this.#handed.cut(message.next.checkpoint)
    const letters = this.#steps.letters?.box.cut(message.next.checkpoint)
    this.#filling = message.next.checkpoint
    this.#dirty = false
    failpoint('chk.barrier', 'after')
    return { cut, positions, letters }
  }

  /** Sources that gave splits back go on with those that are left. Outside of the gate: their items wait for it. */
  async #readOn<T>(attempt: number, revoked: readonly { readonly task: SourceTask }[], cut: T): Promise<T> {
    for (const { task } of revoked) {
      await this.#rest(task)
      if (attempt !== this.#attempt || !this.#isReading) break
      task.reassign()
      this.#runSource(task)
    }
    return cut
  }

  #runSource(task: SourceTask): void {
    const attempt = this.#attempt
    task.run(
      async (item) => {
        if (await this.#hasPassed(task, item)) await this.#first.enter(() => this.#handle(task, item))
      },
      (error) => this.#fail(attempt, error),
    )
  }

  #fail(attempt: number, error: unknown): void {
    if (attempt !== this.#attempt || !this.#isRunning) return
    this.#isRunning = false
    void this.#stopReading()
    this.failed(attempt, error)
  }

  #tellEventTime(): void {
    if (!this.#isRunning) return
    const times = this.#steps.eventTime.report()
    if (times.size > 0) this.#tell({ kind: 'event-time', attempt: this.#attempt, times })
  }

  get #hasState(): boolean {
    return this.#steps.stages.some((stage) => stage.hasState)
  }

  async #restore(attempt: number, state: StateByStep | undefined): Promise<void> {
    const before = this.#restoring
    const work = (async () => {
      await before
      for (const stage of this.#steps.stages) await stage.restore(attempt, state)
    })()
    const over = work.then(
      () => undefined,
      () => undefined,
    )
    this.#restoring = over
    await work
    if (this.#restoring === over) this.#restoring = undefined
  }

  #revoke(source: string, splits: readonly SplitId[]): void {
    this.#steps.sources.get(source)?.task.revoke(splits)
    for (const split of splits) this.#steps.eventTime.remove(source, split)
  }

  /** Sources come to rest; what they had polled is dropped by `#handle` and read again by whoever goes on. */
  async #stopReading(): Promise<void> {
    this.#isReading = false
    await Promise.all([...this.#steps.sources.values()].map(({ task }) => this.#rest(task)))
  }

  #rest(task: SourceTask): Promise<void> {
    const resting = task.rest()
    this.#changes.letGo(task.id)
    return resting
  }

  /** Changes of shape wait for the sinks, and so do rows of a shape that nobody told of. */
  async #hasPassed(task: SourceTask, item: Item): Promise<boolean> {
    if (item.kind === 'schema-change') {
      const isPassed = await this.#mayPass(task, item)
      if (isPassed) this.#changes.opened(task.id, item.table)
      return isPassed
    }
    if (item.kind !== 'batch' || item.table === undefined || this.#changes.isOpened(task.id, item.table)) return true
    const { split, from, table } = item
    const isPassed = await this.#mayPass(task, {
      kind: 'schema-change',
      split,
      next: from,
      table,
      events: [{ kind: 'create' }],
    })
    if (isPassed) this.#changes.opened(task.id, table)
    else item.release()
    return isPassed
  }

  /** Waits until the sinks follow a change of a table's shape. A trial hands on records that were read before. */
  async #mayPass(task: SourceTask, change: SchemaChange): Promise<boolean> {
    if (this.#handed.isTrialOver !== undefined) return true
    if (!this.#isReading || !task.reads(change.split)) return false
    const held = this.#changes.hold(task.id)
    this.#noteRead()
    this.#tell({ kind: 'change', attempt: this.#attempt, source: task.id, checkpoint: this.#filling, change })
    return held
  }

  /** Something was read since the last barrier, or waited for the clock, so that there will be a next one. */
  #noteRead(): void {
    if (this.#dirty) return
    this.#dirty = true
    this.#tell({ kind: 'read', attempt: this.#attempt })
  }

  async #handle(task: SourceTask, item: Item): Promise<void> {
    // After the last barrier, or in a rewind: what was polled is not part of any checkpoint.
    if (!this.#isReading || !task.reads(item.split)) return item.kind === 'batch' ? item.release() : undefined
    // Records without rows for anybody still move the position.
    const read = item.kind === 'batch' ? await this.#divert(task.id, item) : undefined
    if (read !== undefined) {
      const batch = await this.#handed.take(task.id, read)
      this.#steps.eventTime.reading(task.id, item.split)
      this.#isHandling = true
      if (batch !== undefined) await this.#first.read(task.id, this.#steps.sources.get(task.id)?.edges ?? [], batch)
      this.#isHandling = false
      this.#tellEventTime()
    }
    task.advance(item)
    if (item.kind === 'split-end') {
      this.#handed.splitEnded(task.id, item.split)
      this.#steps.eventTime.remove(task.id, item.split)
    }
    this.#noteRead()
    if (item.kind === 'split-end' || this.#handed.isTrialOver === true) this.#checkDrained()
    // Last: it may have to wait until rows are on their way, and the end of all input need not.
    if (item.kind !== 'batch' && item.kind !== 'schema-change') await this.#first.mark(item)
  }

  /** What is left of a batch when its bad records have become dead letters: those that nobody could read, and those that a sink is known to refuse. */
  async #divert(source: string, batch: Batch): Promise<Batch | undefined> {
    const { letters } = this.#steps
    const { rest, posted } =
      letters === undefined ? { rest: batch, posted: [] } : await letters.diverter.take(source, batch)
    await this.#first.post(source, posted)
    if (rest.rows > 0) return rest
    rest.release()
    return undefined
  }

  #checkDrained(): void {
    if (this.#drained) return
    const isDrained = this.#handed.isTrialOver ?? [...this.#steps.sources.values()].every(({ task }) => task.isDrained)
    if (!isDrained) return
    this.#drained = true
    this.#tell({ kind: 'drained', attempt: this.#attempt })
  }
}
