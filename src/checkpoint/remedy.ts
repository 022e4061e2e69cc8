import type { CheckpointId, PendingCommittable } from '../core/checkpoint-types.ts'
import type { ErrorCode } from '../core/error-codes.ts'
import type { Lineage } from './lineage.ts'

/** What may follow when a published committable turns out lost or unknown. */
export type Remedy =
  /** Load its rows again from what was kept of them: nothing is read anew, and what is built on it may stay. */
  | { readonly kind: 'reload' }
  /** Abort the others of the checkpoint, void it, and read it again. Legal only if every abort succeeds. */
  | { readonly kind: 'rewind'; readonly void: CheckpointId; readonly abort: readonly PendingCommittable[] }
  | { readonly kind: 'halt'; readonly code: ErrorCode; readonly why: string }

/** Why a checkpoint in `Lineage.decided` is not taken back. */
export const DECIDED = 'a person has decided about another part of it'

/**
 * Automatic rewind needs proof that nothing of the newest checkpoint is visible, and a place before it to go back to. An
 * unknown outcome is no proof, so it always halts.
 */
export function decideRemedy(
  lineage: Lineage,
  trouble: { readonly item: PendingCommittable; readonly code: ErrorCode; readonly isKept?: boolean },
  committedOf: Pick<ReadonlySet<PendingCommittable>, 'has'>,
): Remedy {
  const { item, code, isKept } = trouble
  if (code === 'OUTCOME_UNKNOWN') return { kind: 'halt', code, why: 'nobody can tell whether it was committed' }
  if (isKept === true) return { kind: 'reload' }
  if (lineage.newest?.checkpoint !== item.checkpoint) {
    return { kind: 'halt', code, why: 'a later checkpoint is built on it' }
  }
  if (!hasPlaceBefore(lineage)) return { kind: 'halt', code, why: 'there is no place before it to go back to' }
  const siblings = lineage.pending.filter((other) => other.checkpoint === item.checkpoint && other !== item)
  if (lineage.decided.has(item.checkpoint)) return { kind: 'halt', code, why: DECIDED }
  if (siblings.some((other) => committedOf.has(other))) {
    return { kind: 'halt', code, why: 'another part of the checkpoint is already visible' }
  }
  return { kind: 'rewind', void: item.checkpoint, abort: siblings }
}

/**
 * Whether the job can go back from its newest checkpoint: to the one before, or, from the first one, to where the sources
 * began as the log remembers it.
 */
export function hasPlaceBefore({ newest, checkpoints, beginnings }: Lineage): boolean {
  if (newest === undefined || checkpoints.length > 1) return newest !== undefined
  const sources = Object.keys(newest.sources)
  return sources.length > 0 && sources.every((source) => beginnings[source] !== undefined)
}

/** The decisions that an operator may take on a halted committable. Nobody rewinds what is visible in part. */
export function legalDecisions(
  lineage: Lineage,
  item: PendingCommittable,
  isPartVisible: boolean,
): readonly ('rewind' | 'mark-committed' | 'accept-loss')[] {
  const isLast = lineage.newest?.checkpoint === item.checkpoint && hasPlaceBefore(lineage)
  const stays = isPartVisible || lineage.decided.has(item.checkpoint)
  return [...(isLast && !stays ? (['rewind'] as const) : []), 'mark-committed', 'accept-loss']
}
