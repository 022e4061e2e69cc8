import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Beginning } from '../checkpoint/entries.ts'
import { backoffMs, RESTART_BACKOFF } from '../checkpoint/backoff.ts'
import { decideRestore, refuseLostLog, refuseOlderSink, type PlanIdentity } from '../checkpoint/restore.ts'
import { isWorthNoting, sweepScope } from '../checkpoint/lineage.ts'
import type { End } from '../checkpoint/cycle.ts'
import type { SweepScope } from '../core/checkpoint-types.ts'
import type { Clock, Logger } from '../core/context.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { failpoint } from '../core/failpoints.ts'
import type { Plan } from '../plan/plan.ts'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import { isInDoubt, Ledger } from '../storage/ledger.ts'
import { Committer, CommitTrouble } from './committer.ts'
import type { ConnectorModules } from './connectors.ts'
import { LaneGroup, type OpenLane } from './lane-group.ts'
import type { JobObserver } from './observer.ts'
import { watchOwnership } from './ownership-watch.ts'
import { ProgressWatch } from './progress-watch.ts'
import { Run } from './run.ts'
import { SinkSide } from './sink-side.ts'
import { SourceSide } from './source-side.ts'
import { openTables } from './table-changes.ts'
import { stateDefinitions } from './state/state-side.ts'
import { settleTrouble } from './trouble.ts'

export interface JobOptions {
  readonly plan: Plan
  readonly connectors: ConnectorModules
  readonly log: CheckpointLog
  readonly logger: Logger
  readonly clock: Clock
  readonly random: () => number
  readonly observe: JobObserver
  /** Default: a worker thread for each lane. */
  readonly openLane?: OpenLane
}

/** A server that is away does not keep a process that has nothing left to say. */
const LEAVE_MS = 1500

/** What is said about a job that has nothing left to do. */
export const ALREADY_FINISHED: string =
  'already finished: an earlier run read every source to its end, and all of it is confirmed. ' +
  'What was added since is not read; a pipeline with another `name` begins anew'

/**
 * One process's life of a pipeline: claim, restore (R1–R8 of the protocol), run, end. `stop` asks for a last checkpoint.
 * Rejects with the error that halted it; its exit code is the process's.
 */
export class Job {
  readonly #options: JobOptions
  readonly #ending = new AbortController()
  readonly #watch: ProgressWatch
  #run: Run | undefined
  /** Throws away what this process began and did not publish. */
  #takeBack: (() => Promise<void>) | undefined
  #stopWanted = false

  constructor(options: JobOptions) {
    const { observe, clock, logger, plan } = options
    this.#watch = new ProgressWatch(observe, clock, logger, plan.times)
    this.#options = { ...options, observe: this.#watch.observe }
  }

  /** Stops at a checkpoint. */
  stop(): void {
    this.#stopWanted = true
    this.#run?.end('stopped')
  }

  /** Cuts a checkpoint now, where something was read. True while one is not confirmed yet. */
  checkpoint(): boolean {
    return this.#run?.checkpoint() ?? false
  }

  /** Ends the job with this error, as if one of its parts had failed. */
  fail(error: MillraceError): void {
    this.#run?.fail(error)
  }

  /** Shows records that leave a step, on all lanes; `undefined` closes the tap. */
  tap(step: string | undefined, limit: number): void {
    this.#run?.tap(step, limit)
  }

  async run(): Promise<End> {
    const { observe } = this.#options
    const closers: (() => Promise<void>)[] = []
    try {
      const end = await this.#live(closers)
      await closeAll(closers)
      observe({ kind: 'ended', as: end })
      return end
    } catch (thrown) {
      const error = toMillraceError(thrown)
      this.#ending.abort()
      observe({ kind: 'halted', error })
      if (error.code === 'FENCED') await this.#takeBack?.()
      await closeAll(closers)
      throw error
    }
  }

  async #live(closers: (() => Promise<void>)[]): Promise<End> {
    const { plan, connectors, clock, logger, observe, random } = this.#options
    const early: { run?: Run; died?: MillraceError } = {}
    // Lanes boot while we claim and restore: a start is as long as the longer of the two.
    const lanes = new LaneGroup(this.#options, {
      message: (lane, message) => early.run?.laneSays(lane, message),
      died: (error) => {
        early.died ??= error
        early.run?.fail(error)
      },
    })
    closers.push(() => lanes.close())

    const nonce = randomUUID()
    const ledger = await this.#patiently(
      'claiming the checkpoint log',
      () => Ledger.claim(this.#options.log, plan.name, nonce, clock.now),
      // Object storage comes back; what is wrong with a disk has to be seen to.
      (error) => error.code === 'UNAVAILABLE',
    )
    observe({ kind: 'claimed', epoch: ledger.epoch })
    const identity = idsOf(plan)
    if (decideRestore(ledger.lineage(), identity).kind === 'finished') {
      logger.info(ALREADY_FINISHED)
      return 'finished'
    }

    const sinks = await SinkSide.open(plan, connectors, clock, logger)
    closers.push(() => sinks.close())
    const fingerprints = await this.#patiently('looking at the sinks', () =>
      sinks.verify(ledger.lineage().newest?.sinks ?? {}),
    )
    const confirmed = await this.#patiently('asking for what was committed', () =>
      sinks.examineConfirmed(ledger.lineage().confirmed),
    )
    refuseOlderSink(confirmed)
    if (plan.mode === 'two-phase') await this.#refuseLostLog(ledger, sinks)
    const committer = new Committer({
      sinks: sinks.coordinators,
      clock,
      log: logger,
      random,
      signal: this.#ending.signal,
    })
    await this.#recommit(ledger, committer, sinks)
    const scope = sweepScope(ledger.entries, ledger.epoch)
    const swept = this.#sweep(scope, ledger, sinks)
    swept.catch(() => undefined)

    const sources = await SourceSide.open(plan, connectors, clock, logger)
    closers.push(() => sources.close())
    const begun = await this.#patiently('looking at the sources', () => sources.restore(ledger.lineage()))
    if (!isKnown(ledger.lineage().beginnings, begun)) await ledger.begin(begun)
    await this.#patiently('making the tables of the sinks', async () =>
      openTables(plan, sinks.coordinators, await sources.tables()),
    )
    if (early.died !== undefined) throw early.died

    const run = new Run({ ...this.#options, ledger, lanes, sinks, sources, committer, swept, fingerprints })
    early.run = run
    this.#run = run
    closers.unshift(() => run.close())
    this.#takeBack = () => this.#leaveNothing(run, lanes, ledger, sinks)
    const running = new AbortController()
    closers.unshift(async () => {
      running.abort()
      this.#watch.close()
    })
    void this.#watch.poll(
      (live) => sources.lag(live),
      () => sources.headroom(),
    )
    void watchOwnership(ledger, clock, running.signal, (error) => run.fail(error))
    if (this.#stopWanted) run.end('stopped')
    return run.untilEnd()
  }

  /**
   * The end of a process that was taken over. Its successor swept when this one may still have been working, and later
   * starts look no further back than the epoch that confirmed last: what is left now would stay until the server's
   * timeout. The log refuses whatever this process did not publish, so none of it is wanted. The lanes are closed, not
   * brought to rest: they would finish their queries first.
   */
  async #leaveNothing(run: Run, lanes: LaneGroup, ledger: Ledger, sinks: SinkSide): Promise<void> {
    const { clock } = this.#options
    const done = new AbortController()
    try {
      await run.close()
      await lanes.close()
      const sweeping = sinks.sweep(sweepScope(ledger.entries, ledger.lineage().epoch + 1), pendingOf(ledger))
      await Promise.race([sweeping, clock.sleep(LEAVE_MS, done.signal)])
    } catch (error) {
      this.#options.logger.warn(`throwing away unpublished work: ${(error as Error).message}`)
    } finally {
      done.abort()
    }
  }

  async #refuseLostLog(ledger: Ledger, sinks: SinkSide): Promise<void> {
    const known = ledger.lineage().nextCheckpoint - 1
    const traces = await this.#patiently('looking for another life', () => sinks.findTraces(ledger.epoch, known))
    // A twin that claimed after us may be at work already.
    if (Object.keys(traces).length > 0) await ledger.verifyOwnership()
    refuseLostLog(traces, this.#options.log.address, known)
  }

  /** R6: what earlier epochs left and no checkpoint owns. */
  async #sweep(scope: SweepScope, ledger: Ledger, sinks: SinkSide): Promise<void> {
    await this.#patiently('sweeping leftovers', () => sinks.sweep(scope, pendingOf(ledger)))
    ledger.markSwept(scope.below)
    if (isWorthNoting(scope)) await ledger.noteSwept()
  }

  /** R4 and R5: commits what is published and not confirmed; a lost one is remedied or halts the job. */
  async #recommit(ledger: Ledger, committer: Committer, sinks: SinkSide): Promise<void> {
    const { observe, plan } = this.#options
    for (;;) {
      const restore = decideRestore(ledger.lineage(), idsOf(plan))
      if (restore.kind !== 'restore') return
      try {
        failpoint('restore.recommit', 'before')
        await committer.commitAll(ledger.recommitPermit(restore.from), restore.pending)
        failpoint('restore.recommit', 'after')
      } catch (error) {
        if (!(error instanceof CommitTrouble)) throw error
        await this.#settle(error, ledger, committer, sinks)
        continue
      }
      if (restore.from > ledger.lineage().confirmedUpTo) await ledger.confirm(restore.from)
      await sinks.forget(restore.pending)
      observe({ kind: 'restored', from: restore.from, recommitted: restore.pending.length })
      return
    }
  }

  /** A try to load rows again may leave a transaction of its epoch behind: the next one takes another. */
  async #settle(trouble: CommitTrouble, ledger: Ledger, committer: Committer, sinks: SinkSide): Promise<void> {
    let isRepeated = false
    const act = async (): Promise<void> => {
      if (isRepeated) await ledger.reclaim()
      isRepeated = true
      const done = await settleTrouble(trouble, ledger, committer, sinks)
      this.#options.logger.warn(`${trouble.message}; ${done}`)
    }
    await this.#patiently('settling what was lost', act, (error) => error.retry !== 'halt' && !isInDoubt(error))
  }

  /** Repeats a step of the start while a server cannot be reached, and says so. */
  async #patiently<T>(
    doing: string,
    act: () => Promise<T>,
    mayPass: (error: MillraceError) => boolean = (error) => error.retry !== 'halt' && error.code !== 'INTERNAL',
  ): Promise<T> {
    const { clock, logger, random } = this.#options
    for (let attempt = 1; ; attempt++) {
      try {
        return await act()
      } catch (thrown) {
        const error = toMillraceError(thrown)
        if (!mayPass(error) || this.#ending.signal.aborted) throw error
        if (this.#stopWanted)
          throw new MillraceError(`stopped while ${doing}: ${error.message}`, { code: 'INTERRUPTED' })
        const pause = backoffMs(attempt, RESTART_BACKOFF, random())
        logger.warn(`${doing}: ${error.message.replace(/\.$/, '')}. Trying again in ${pause} ms.`)
        await clock.sleep(pause, this.#ending.signal)
      }
    }
  }
}

/** Published and not known committed: never to be swept. */
function pendingOf(ledger: Ledger): (sink: string) => JsonObject[] {
  return (sink) =>
    ledger
      .lineage()
      .pending.filter((item) => item.sink === sink)
      .map((item) => item.committable)
}

/** A start that finds its sources as an earlier one did has nothing to add to the log. */
function isKnown(beginnings: Readonly<Record<string, Beginning>>, begun: Readonly<Record<string, Beginning>>): boolean {
  return Object.entries(begun).every(([source, at]) => isDeepStrictEqual(beginnings[source], at))
}

function idsOf(plan: Plan): PlanIdentity {
  const of = (kind: string): string[] => plan.steps.filter((step) => step.kind === kind).map((step) => step.id)
  return { sources: of('source'), sinks: of('sink'), states: stateDefinitions(plan) }
}

async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of closers) await close().catch(() => undefined)
}
