import type { CheckpointId } from '../core/checkpoint-types.ts'

export interface LogSlot {
  readonly seq: number
  readonly kind: string
  readonly checkpoint?: CheckpointId
}

/**
 * The slots that nothing needs any more: checkpoints older than the `retained` newest confirmed ones and their
 * confirmations. Claims and decisions stay for ever: a stale writer's next slot is always its fencer's claim, so it can
 * never find a slot empty again and publish.
 */
export function selectGarbage(
  slots: readonly LogSlot[],
  confirmedUpTo: CheckpointId,
  retained: number,
): readonly number[] {
  const confirmed = slots
    .filter((slot) => slot.kind === 'checkpoint' && slot.checkpoint !== undefined && slot.checkpoint <= confirmedUpTo)
    .map((slot) => slot.checkpoint ?? 0)
    .sort((a, b) => b - a)
  const oldestKept = confirmed[retained - 1]
  if (oldestKept === undefined) return []
  return slots
    .filter((slot) => slot.kind === 'checkpoint' || slot.kind === 'confirm')
    .filter((slot) => (slot.checkpoint ?? 0) < oldestKept)
    .map((slot) => slot.seq)
}
