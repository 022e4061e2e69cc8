import { randomUUID } from 'node:crypto'
import type { Answer, DecisionCase } from '../checkpoint/decision-case.ts'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { foldLineage } from '../checkpoint/lineage.ts'
import type { PlanIdentity } from '../checkpoint/restore.ts'
import { stateDefinitions } from './state/state-side.ts'
import type { Rollback } from '../checkpoint/rollback.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { Clock, Logger } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import { Ledger } from '../storage/ledger.ts'
import { Committer } from './committer.ts'
import type { ConnectorModules } from './connectors.ts'
import { decide, examine, refuseIllegal } from './decide.ts'
import { lookBack, rollBack } from './roll-back.ts'
import { SinkSide } from './sink-side.ts'

export interface DeskOptions {
  readonly plan: Plan
  readonly connectors: ConnectorModules
  readonly log: CheckpointLog
  readonly logger: Logger
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface Verdict {
  readonly answer: Answer
  readonly by: string
  readonly reason: string
  readonly isNotThere: boolean
}

/** Where an operator looks at what a halted job left behind, and decides. */
export class DecisionDesk implements AsyncDisposable {
  readonly #options: DeskOptions
  readonly #sinks: SinkSide

  private constructor(options: DeskOptions, sinks: SinkSide) {
    this.#options = options
    this.#sinks = sinks
  }

  static async open(options: DeskOptions): Promise<DecisionDesk> {
    const { plan, connectors, clock, logger } = options
    return new DecisionDesk(options, await SinkSide.open(plan, connectors, clock, logger))
  }

  /** What there is to decide. Claims nothing and changes nothing. */
  async look(): Promise<DecisionCase | undefined> {
    return examine(foldLineage(await Ledger.read(this.#options.log)), this.#sinks)
  }

  /** Claims the pipeline, looks again, and carries the answer out if the case is still the one that was seen. */
  async decide(seen: DecisionCase, verdict: Verdict): Promise<void> {
    const { plan, log, logger, clock, signal } = this.#options
    refuseIllegal(seen, verdict.answer)
    const ledger = await Ledger.claim(log, plan.name, randomUUID(), clock.now)
    const now = await examine(ledger.lineage(), this.#sinks)
    if (now === undefined || !isSame(now, seen)) {
      throw new MillraceError('what there is to decide has changed since you looked: nothing was done. Look again', {
        code: 'CONFIG',
      })
    }
    const sinks = this.#sinks
    const committer = new Committer({ sinks: sinks.coordinators, clock, log: logger, random: Math.random, signal })
    await decide({ ledger, sinks, committer, ...verdict }, now)
  }

  /** What going back to an older checkpoint would do. Claims nothing and changes nothing. */
  async lookBack(target: CheckpointEntry): Promise<Rollback> {
    const { plan, log } = this.#options
    return lookBack(target, await Ledger.read(log), identityOf(plan), this.#sinks)
  }

  /** Claims the pipeline, and goes back if that does what was seen. Tells under which number. */
  async rollBack(target: CheckpointEntry, seen: Rollback, who: Pick<Verdict, 'by' | 'reason'>): Promise<CheckpointId> {
    const { plan, log, clock } = this.#options
    const ledger = await Ledger.claim(log, plan.name, randomUUID(), clock.now)
    return rollBack({ ledger, sinks: this.#sinks, plan, identity: identityOf(plan), ...who }, target, seen)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sinks.close()
  }
}

function isSame(one: DecisionCase, other: DecisionCase): boolean {
  return (
    one.checkpoint === other.checkpoint &&
    one.sink === other.sink &&
    one.rows === other.rows &&
    one.isProven === other.isProven &&
    one.noRewind === other.noRewind
  )
}

function identityOf(plan: Plan): PlanIdentity {
  const of = (kind: string): string[] => plan.steps.filter((step) => step.kind === kind).map(({ id }) => id)
  return { sources: of('source'), sinks: of('sink'), states: stateDefinitions(plan) }
}
