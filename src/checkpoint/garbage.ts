import type { LogEntry } from './entries.ts'
import { foldLineage } from './lineage.ts'

/**
 * The slots that nothing needs any more: checkpoints older than the `retained` newest confirmed ones that count, and
 * their confirmations, and the beginnings that these checkpoints have taken over. Claims and decisions stay for ever: a
 * stale writer's next slot is always its fencer's claim, so it can never find a slot empty again and publish.
 */
export function selectGarbage(entries: readonly LogEntry[], retained: number): readonly number[] {
  const { checkpoints, confirmedUpTo } = foldLineage(entries)
  const confirmed = checkpoints.filter((entry) => entry.checkpoint <= confirmedUpTo)
  const oldestKept = confirmed.at(-retained)
  if (oldestKept === undefined) return []
  const isGarbage = (entry: LogEntry): boolean => {
    if (entry.kind === 'begin') return entry.seq < oldestKept.seq
    return (entry.kind === 'checkpoint' || entry.kind === 'confirm') && entry.checkpoint < oldestKept.checkpoint
  }
  return entries.filter(isGarbage).map((entry) => entry.seq)
}
