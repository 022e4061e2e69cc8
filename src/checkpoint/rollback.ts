import type { CheckpointId } from '../core/checkpoint-types.ts'
import type { Examined } from './decision-case.ts'
import type { CheckpointEntry, LogEntry } from './entries.ts'
import type { Lineage } from './lineage.ts'
import type { PlanIdentity } from './restore.ts'
import { fateOf } from './transaction-fate.ts'

/** What going back to an older checkpoint does to each sink. */
export interface Rollback {
  readonly to: CheckpointId
  /** The newest checkpoint, from which it goes back. */
  readonly from: CheckpointId
  readonly sinks: readonly SinkRollback[]
  /** Checkpoints in between that the log has collected: nobody knows any more which rows they wrote. */
  readonly untold: { readonly from: CheckpointId; readonly to: CheckpointId } | null
}

export interface SinkRollback {
  readonly sink: string
  /** Rows that are visible and will be written again. */
  readonly duplicated: number
  /** Rows of prepared transactions that are aborted, and written again. */
  readonly voided: number
}

/** `examined`: what the sinks say about everything pending. */
export function planRollback(
  target: CheckpointEntry,
  entries: readonly LogEntry[],
  lineage: Lineage,
  examined: readonly Examined[],
): Rollback {
  const to = target.checkpoint
  const later = lineage.checkpoints.filter(({ checkpoint }) => checkpoint > to)
  const sums = new Map<string, { duplicated: number; voided: number }>()
  for (const entry of later) {
    for (const item of entry.pending.filter(({ checkpoint }) => checkpoint === entry.checkpoint)) {
      const sum = sums.get(item.sink) ?? { duplicated: 0, voided: 0 }
      sums.set(item.sink, sum)
      const fate = fateOf(item, entries, lineage)
      const isThere = examined.some(
        ({ item: one, evidence }) => evidence.state === 'committed' && isSame(one.committable, item.committable),
      )
      if (fate === 'pending' && !isThere) sum.voided += item.rows
      else if (fate !== 'given-up') sum.duplicated += item.rows
    }
  }
  const first = later[0]?.checkpoint ?? to + 1
  return {
    to,
    from: lineage.newest?.checkpoint ?? to,
    sinks: [...sums].map(([sink, sum]) => ({ sink, ...sum })),
    untold: first > to + 1 ? { from: to + 1, to: first - 1 } : null,
  }
}

function isSame(one: object, other: object): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Two rollbacks may lie over the same checkpoint: the first one took it back. */
export interface TakenBack {
  /** The checkpoint that the rollback published. */
  readonly by: CheckpointId
  /** Whether all of its rows were in their sinks by then. */
  readonly wasConfirmed: boolean
}

/** How the job went back from this checkpoint; `undefined` when it did not, or the log no longer tells. */
export function takenBack(checkpoint: CheckpointId, entries: readonly LogEntry[]): TakenBack | undefined {
  let wasConfirmed = false
  for (const entry of entries) {
    if (entry.kind === 'confirm' && entry.checkpoint >= checkpoint) wasConfirmed = true
    if (entry.kind !== 'checkpoint' || entry.rollback === undefined || entry.checkpoint <= checkpoint) continue
    if (entry.rollback.to < checkpoint) return { by: entry.checkpoint, wasConfirmed }
  }
  return undefined
}

/** Why a job cannot go back to this checkpoint, and what to do; `undefined` when it can. */
export function whyNoRollback(
  target: CheckpointEntry,
  entries: readonly LogEntry[],
  lineage: Lineage,
  plan: PlanIdentity,
  examined: readonly Examined[],
): string | undefined {
  const { newest, confirmedUpTo, ended } = lineage
  const to = target.checkpoint
  if (ended === 'finished') return 'the job has finished, and is never started again: give the pipeline another name'
  if (newest === undefined || to > confirmedUpTo) return `checkpoint ${to} is not confirmed`
  const over = takenBack(to, entries)
  if (over !== undefined && !over.wasConfirmed) {
    return (
      `the job went back from checkpoint ${to} before it was confirmed (as checkpoint ${over.by}), so rows of it are in no ` +
      `sink and would be left out: take an older one, or ${over.by}`
    )
  }
  if (newest.checkpoint === to) return `checkpoint ${to} is the newest one: there is nothing to go back from`
  const younger = Object.keys(newest.sources).filter((source) => target.sources[source] === undefined)
  if (younger.length > 0) return `the source ${younger.join(', ')} has no position in checkpoint ${to}: it came later`
  const gone = Object.keys(target.sources).filter((source) => !plan.sources.includes(source))
  if (gone.length > 0) return `checkpoint ${to} holds positions of ${gone.join(', ')}, which is not in the pipeline`
  const unknown = examined.find(({ evidence }) => evidence.state === 'unknown')?.item
  if (unknown === undefined) return undefined
  return `${unknown.sink} cannot tell about ${unknown.rows} rows of checkpoint ${unknown.checkpoint}: millrace decide comes first`
}
