import {
  stepCycle,
  startCycle,
  type CycleEvent,
  type CycleEffect,
  type CycleState,
  type End,
} from '../checkpoint/cycle.ts'
import { errorFromData, MillraceError, toMillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import { isInDoubt } from '../storage/ledger.ts'
import { CommitQueue } from './commit-queue.ts'
import { CheckpointTimer } from './checkpoint-timer.ts'
import { CommitTrouble } from './committer.ts'
import { tracedWhere } from './diverted-records.ts'
import type { FromLane, LaneAck } from './messages.ts'
import { Leftovers } from './leftovers.ts'
import { Refusals } from './refusals.ts'
import { NextTickets } from './next-tickets.ts'
import { Publisher } from './publisher.ts'
import { SplitMoves } from './rebalance/split-moves.ts'
import { Rewinder } from './rewinder.ts'
import type { RunOptions } from './run-options.ts'
import type { SourceSide } from './source-side.ts'
import { StateSide } from './state/state-side.ts'
import { TableChanges } from './table-changes.ts'
import { settleTrouble } from './trouble.ts'

/**
 * The steady state: carries out what checkpoint/cycle.ts decides. Lanes are told by messages; publishing and committing
 * are asynchronous; everything else happens between two events of this thread.
 */
export class Run {
  readonly #options: RunOptions
  readonly #end = Promise.withResolvers<End>()
  readonly #closing = new AbortController()
  readonly #timer: CheckpointTimer
  readonly #rewinder: Rewinder
  readonly #leftovers: Leftovers
  readonly #states: StateSide
  readonly #publisher: Publisher
  readonly #moves: SplitMoves
  readonly #changes: TableChanges
  #cycle: CycleState
  /** The epoch under which the lanes run, 0 while they are told to rest. */
  #attempt = 0
  #acks: LaneAck[] = []
  #drained = new Set<number>()
  readonly #tickets: NextTickets
  #triggeredAt = 0
  #cancelDeadline: () => void = () => undefined
  #cancelStopDeadline: (() => void) | undefined
  /** Publishing must be over before a rewind knows where to go on. */
  #publishing: Promise<void> = Promise.resolve()
  readonly #commits: CommitQueue
  readonly #refusals: Refusals
  #isRewinding = false
  #rewound: Promise<void> = Promise.resolve()
  /** A lost committable is being dealt with: nothing may be published on top of it. */
  #isSettling = false

  constructor(options: RunOptions) {
    this.#options = options
    this.#cycle = startCycle(options.plan.parallelism, options.ledger.lineage().nextCheckpoint, 0)
    this.#timer = new CheckpointTimer(options.plan.times.intervalMs, options.clock, () => this.#step({ kind: 'due' }))
    this.#changes = new TableChanges({
      plan: options.plan,
      sinks: options.sinks.coordinators,
      logger: options.logger,
      passed: ({ lane, attempt, source }) => this.#passChange(lane, attempt, source),
      failed: (error) => this.#workFailed(error),
    })
    this.#commits = new CommitQueue(options, (checkpoints, permit) => {
      this.#step({ kind: 'confirmed', checkpoints })
      void this.#states.collect()
      if (this.#changes.confirmed(permit)) this.#step({ kind: 'due' })
    })
    this.#rewinder = new Rewinder(options, this.#closing.signal)
    this.#leftovers = new Leftovers(options)
    this.#refusals = new Refusals(options)
    this.#tickets = new NextTickets((checkpoint, epoch) => options.sinks.begin(checkpoint, epoch))
    this.#states = new StateSide(options)
    this.#publisher = new Publisher(options, this.#states)
    this.#moves = new SplitMoves(options.plan, options.sources, options.logger)
    this.#end.promise.catch(() => undefined)
  }

  async untilEnd(): Promise<End> {
    this.#inBackground(this.#startLanes())
    this.#inBackground(
      this.#options.sources.watch((source, byLane) => this.#addSplits(source, byLane), this.#closing.signal),
    )
    return this.#end.promise
  }

  end(as: End): void {
    if (as === 'stopped') this.#stopInTime()
    else failpoint('final.drain', 'before')
    this.#step({ kind: 'end', as })
    if (as === 'stopped') failpoint('stop.barrier', 'after')
    else failpoint('final.drain', 'after')
  }

  /** Does not wait until it is due. True while there is something that the next confirmed checkpoint will hold. */
  checkpoint(): boolean {
    const { dirty, phase, unconfirmed } = this.#cycle
    this.#step({ kind: 'due' })
    return dirty || unconfirmed > 0 || phase === 'cutting' || phase === 'publishing'
  }

  /** A stop that cannot reach its last checkpoint ends all the same: the next start goes on from the one before. */
  #stopInTime(): void {
    failpoint('stop.barrier', 'before')
    const { timeoutMs } = this.#options.plan.times
    this.#cancelStopDeadline ??= this.#options.clock.after(timeoutMs, () => {
      this.fail(
        new MillraceError(`no last checkpoint within ${timeoutMs / 1000} s (checkpoint.timeout) after the stop`, {
          code: 'INTERRUPTED',
        }),
      )
    })
  }

  fail(error: unknown): void {
    this.#end.reject(toMillraceError(error))
  }

  tap(step: string | undefined, limit: number): void {
    this.#options.lanes.send(() => ({ kind: 'tap', step, limit }))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#timer.close()
    this.#cancelDeadline()
    this.#cancelStopDeadline?.()
    await this.#publishing.catch(() => undefined)
    await this.#states.rest()
  }

  laneSays(lane: number, message: FromLane): void {
    this.#options.observe({ kind: 'lane', lane, message })
    this.#refusals.hear(message)
    if ('attempt' in message && message.attempt !== this.#attempt) return
    switch (message.kind) {
      case 'read':
        this.#step({ kind: 'read' })
        return this.#timer.rowsArrived()
      case 'split-bytes':
        return this.#moves.hear(message)
      case 'change':
        // Rows stand still until the sinks follow: nobody waits for the interval.
        if (this.#changes.ask({ lane, ...message })) this.#step({ kind: 'due' })
        return
      case 'event-time':
        if (!this.#states.hear(lane, message.times)) return
        this.#step({ kind: 'read' })
        return this.#timer.rowsArrived()
      case 'acked':
        this.#acks.push(message.ack)
        return this.#step({ kind: 'acked', lane })
      case 'drained':
        this.#drained.add(lane)
        if (this.#drained.size === this.#options.plan.parallelism && this.#options.sources.isSettled) {
          // What is kept waits for a barrier of the end: nothing may be unread, and the one under way is from before.
          if (this.#states.isKept) this.#step({ kind: 'read' })
          this.end('finished')
        }
        return
      case 'failed':
        return this.#rewind(errorFromData(message.error))
      default:
        return
    }
  }

  /** A first start and every rewind: tickets, then the last published positions, to all lanes. */
  async #startLanes(): Promise<void> {
    const { lanes, sinks, sources, observe } = this.#options
    this.#attempt = this.#options.ledger.epoch
    this.#tickets.forget()
    const attempt = this.#attempt
    const { checkpoint } = this.#cycle
    const [tickets] = await Promise.all([sinks.begin(checkpoint, attempt), lanes.ready])
    if (attempt !== this.#attempt) return
    this.#drained.clear()
    this.#acks = []
    const state = this.#states.begin()
    const divert = this.#refusals.diversions()
    lanes.send((lane) => ({
      kind: 'start',
      attempt,
      checkpoint,
      tickets,
      assignments: tracedWhere(divert, sources.assignments(lane)),
      state,
      divert,
    }))
    void this.#tickets.of(checkpoint + 1, attempt)
    observe({ kind: 'started', epoch: attempt })
  }

  #passChange(lane: number, attempt: number, source: string): void {
    if (attempt === this.#attempt) this.#options.lanes.sendTo(lane, { kind: 'changed', attempt, source })
  }

  #step(event: CycleEvent): void {
    if (this.#refusals.isSearching) return this.#refusals.hold(event)
    const { state, effects } = stepCycle(this.#cycle, event)
    this.#cycle = state
    for (const effect of effects) this.#perform(effect)
    if (event.kind === 'due' && effects.length === 0 && state.dirty) this.#timer.again()
  }

  #perform(effect: CycleEffect): void {
    switch (effect.kind) {
      case 'barrier':
        return this.#inBackground(this.#barrier(effect.checkpoint, effect.last, this.#cycle.wanted === 'finished'))
      case 'publish':
        this.#publishing = this.#publish(effect.checkpoint)
        return this.#inBackground(this.#publishing)
      case 'end':
        return this.#inBackground(this.#finish(effect.as))
    }
  }

  async #barrier(checkpoint: number, last: boolean, isEnd: boolean): Promise<void> {
    const { lanes, observe, clock, plan } = this.#options
    failpoint('chk.trigger', 'before')
    const attempt = this.#attempt
    this.#timer.barrierSent()
    this.#triggeredAt = clock.now()
    this.#acks = []
    // A rewind is under way: it takes this barrier back.
    if (attempt === 0) return
    const tickets = await this.#tickets.of(checkpoint + 1, attempt)
    if (attempt !== this.#attempt) return
    observe({ kind: 'triggered', checkpoint })
    const next = { checkpoint: checkpoint + 1, tickets }
    const revoke = last ? () => ({}) : this.#moves.atBarrier()
    const eventTime = this.#states.atBarrier()
    lanes.send((lane) => ({ kind: 'barrier', checkpoint, next, last, isEnd, eventTime, revoke: revoke(lane) }))
    failpoint('chk.trigger', 'after')
    this.#cancelDeadline = clock.after(plan.times.timeoutMs, () => {
      const seconds = plan.times.timeoutMs / 1000
      this.#rewind(
        new MillraceError(`checkpoint ${checkpoint} was not prepared within ${seconds} s (checkpoint.timeout).`, {
          code: 'UNAVAILABLE',
          retry: 'restart',
        }),
      )
    })
  }

  async #publish(checkpoint: number): Promise<void> {
    this.#cancelDeadline()
    const { last: isLast, wanted } = this.#cycle
    const published = await this.#publisher.publish({
      checkpoint,
      acks: this.#acks,
      triggeredAt: this.#triggeredAt,
      isLast,
      isEnd: isLast && wanted === 'finished',
      pending: () => this.#commits.pending,
    })
    this.#options.sources.settle(published.states)
    // In a rewind the lanes take what the book says.
    this.#moves.published((lane, source, splits) => {
      if (this.#attempt !== 0) this.#options.lanes.sendTo(lane, { kind: 'add', source, splits })
    })
    this.#inBackground(this.#commits.add(published))
    this.#step({ kind: 'published' })
    if (this.#attempt !== 0) void this.#tickets.of(this.#cycle.checkpoint + 1, this.#attempt)
    if (this.#cycle.dirty) this.#timer.rowsArrived()
  }

  async #finish(as: End): Promise<void> {
    const { ledger } = this.#options
    await this.#commits.drained()
    const step = as === 'finished' ? 'final.finished' : 'stop.exit'
    failpoint(step, 'before')
    await ledger.end(as)
    failpoint(step, 'after')
    this.#end.resolve(as)
  }

  #addSplits(source: string, byLane: Parameters<Parameters<SourceSide['watch']>[0]>[1]): void {
    byLane.forEach((splits, lane) => {
      if (splits.length > 0) this.#options.lanes.sendTo(lane, { kind: 'add', source, splits })
    })
  }

  /** Soft rewind: the lanes stay, their open work goes, and they read again from the last published positions. */
  #rewind(error: MillraceError): void {
    if (this.#closing.signal.aborted || this.#isRewinding || this.#isSettling) return
    const decision = this.#rewinder.decide(error, this.#cycle.checkpoint)
    if (decision === 'halt') return this.#halt(error)
    this.#cancelDeadline()
    this.#timer.restart()
    this.#moves.rewound()
    this.#changes.rewound()
    // From here on, what lanes still say about the old attempt is not heard.
    this.#attempt = 0
    this.#isRewinding = true
    this.#rewound = this.#rewindTo(error).finally(() => (this.#isRewinding = false))
    this.#inBackground(this.#rewound)
  }

  /** Ends the run; where a server refused a record without saying which, after that record has been looked for. */
  #halt(error: MillraceError): void {
    if (!this.#refusals.needsSearch(error) || this.#refusals.isSearching) return this.fail(error)
    this.#cancelDeadline()
    this.#timer.stop()
    this.#attempt = 0
    this.#findPoison(error).then(
      (placed) => this.#goOnWithout(error, placed),
      () => this.fail(error),
    )
  }

  /** A record that has a way to go is put aside, and all since the last checkpoint is read again without it. */
  #goOnWithout(error: MillraceError, placed: MillraceError): void {
    const held = this.#refusals.putAside(error)
    if (held === undefined) return this.fail(placed)
    this.#options.logger.warn(`${placed.message} It is put aside.`)
    for (const event of held) this.#step(event)
    this.#timer.restart()
    this.#moves.rewound()
    this.#changes.rewound()
    this.#step({ kind: 'rewound' })
    if (this.#cycle.phase === 'ended') return
    this.#inBackground(this.#commits.retry())
    if (this.#cycle.phase === 'waiting') this.#inBackground(this.#startLanes())
  }

  async #findPoison(error: MillraceError): Promise<MillraceError> {
    await this.#publishing.catch(() => undefined)
    return this.#refusals.find(error, this.#cycle.checkpoint, () => this.#options.lanes.halt())
  }

  async #rewindTo(error: MillraceError): Promise<void> {
    await this.#publishing.catch(() => undefined)
    this.#step({ kind: 'rewound' })
    // A job that was told to stop reads nothing again.
    if (this.#cycle.phase === 'ended') return
    await Promise.all([this.#options.lanes.halt(), this.#rewinder.pause(error)])
    if (this.#closing.signal.aborted || this.#isSettling) return
    await this.#options.ledger.reclaim()
    void this.#leftovers.sweep()
    this.#isRewinding = false
    this.#inBackground(this.#commits.retry())
    if (this.#cycle.phase === 'waiting') await this.#startLanes()
  }

  #inBackground(work: Promise<void>): void {
    work.catch((thrown: unknown) => this.#workFailed(thrown))
  }

  #workFailed(thrown: unknown): void {
    if (this.#closing.signal.aborted) return
    if (thrown instanceof CommitTrouble) return this.#inBackground(this.#troubled(thrown))
    const error = toMillraceError(thrown)
    if (error.retry === 'halt') this.#halt(error)
    // What was published is not known: the process starts over from what the log then says.
    else if (isInDoubt(error)) this.fail(error)
    else this.#rewind(error)
  }

  /** After a remedy the job goes on from the checkpoint before; the process starts over, which is the tested path. */
  async #troubled(trouble: CommitTrouble): Promise<void> {
    const { ledger, committer, sinks } = this.#options
    this.#isSettling = true
    this.#timer.stop()
    await this.#rewound.catch(() => undefined)
    await this.#options.lanes.halt()
    this.#attempt = 0
    await this.#publishing.catch(() => undefined)
    try {
      const done = await settleTrouble(trouble, ledger, committer, sinks)
      const text = `${trouble.message}; ${done}, starting over from the newest checkpoint that counts`
      this.fail(new MillraceError(text, { code: 'UNAVAILABLE', retry: 'restart' }))
    } catch (error) {
      // A remedy that could not be carried out is tried again by the next start.
      this.fail(error)
    }
  }
}
