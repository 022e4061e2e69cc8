import { addAccounting, assertBalanced, NOTHING } from '../checkpoint/accounting.ts'
import {
  addLetters,
  countDeadLetters,
  type DeadLettersOfPart,
  type DeadLetterTotals,
} from '../checkpoint/dead-letter-budget.ts'
import type { CheckpointId, PendingCommittable } from '../core/checkpoint-types.ts'
import { failpoint } from '../core/failpoints.ts'
import type { JsonObject } from '../core/json.ts'
import type { Published } from './commit-queue.ts'
import type { LaneAck } from './messages.ts'
import type { RunOptions } from './run-options.ts'
import type { StateSide } from './state/state-side.ts'

/** A checkpoint that every lane has prepared. */
export interface Prepared {
  readonly checkpoint: CheckpointId
  readonly acks: readonly LaneAck[]
  readonly triggeredAt: number
  /** The run ends with it; `isEnd`: because all input was read. */
  readonly isLast: boolean
  readonly isEnd: boolean
  /** What earlier checkpoints left to commit. */
  readonly pending: () => readonly PendingCommittable[]
}

interface Letters {
  readonly totals: DeadLetterTotals
  readonly counts: ReadonlyMap<string, DeadLettersOfPart>
}

/** Makes the log's entry of what the lanes have prepared: the only commit point. */
export class Publisher {
  readonly #options: RunOptions
  readonly #states: StateSide

  constructor(options: RunOptions, states: StateSide) {
    this.#options = options
    this.#states = states
  }

  /** Throws, before anything is published, ACCOUNTING where rows are missing and POISON where too many were put aside. */
  async publish({ checkpoint, acks, triggeredAt, isLast, isEnd, pending }: Prepared): Promise<Published> {
    const { ledger, sinks, sources, plan, observe, clock, fingerprints } = this.#options
    const accounting = acks.map((ack) => ack.accounting).reduce(addAccounting, NOTHING)
    assertBalanced(accounting, checkpoint)
    const letters = this.#countLetters(checkpoint, acks, accounting.read, isEnd)
    const states = sources.withProgress((source) => acks.flatMap((ack) => ack.positions[source] ?? []))
    const parts: Record<string, JsonObject[]> = {}
    for (const sink of sinks.coordinators.keys()) parts[sink] = acks.flatMap((ack) => ack.committables[sink] ?? [])
    const items = await sinks.combine(checkpoint, ledger.epoch, parts)
    if (isLast) failpoint('final.publish', 'before')
    const tookMs = clock.now() - triggeredAt
    const permit = await ledger.publish({
      checkpoint,
      fingerprint: plan.fingerprint,
      delivery: plan.delivery.class,
      sources: states,
      pending: [...pending(), ...items],
      sinks: fingerprints,
      accounting,
      ...this.#states.combine(acks),
      ...(letters && { deadLetters: letters.totals }),
      tookMs,
    })
    if (isLast) failpoint('final.publish', 'after')
    observe({ kind: 'published', checkpoint, accounting, tookMs, committables: items, deadLetters: letters?.counts })
    return { permit, items, states, isLast }
  }

  #countLetters(checkpoint: CheckpointId, acks: readonly LaneAck[], read: number, isEnd: boolean): Letters | undefined {
    const { plan, ledger } = this.#options
    if (plan.deadLetters === undefined) return undefined
    const counts = addLetters(acks.flatMap(({ letters = new Map() }) => [letters]))
    const before = ledger.lineage().newest?.deadLetters ?? {}
    const totals = countDeadLetters(plan.deadLetters, before, { checkpoint, read, letters: counts, isEnd })
    return { totals, counts }
  }
}
