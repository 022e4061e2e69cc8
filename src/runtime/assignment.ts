import type { SplitAssignment } from '../core/source.ts'

/**
 * Spreads splits over lanes, one after the other in the order of their ids. `taken` is the number of splits that were
 * spread before: later ones go on from there, and none ever moves while the job runs.
 */
export function spreadSplits(
  splits: readonly SplitAssignment[],
  lanes: number,
  taken: number,
): readonly (readonly SplitAssignment[])[] {
  const byLane: SplitAssignment[][] = Array.from({ length: lanes }, () => [])
  const ordered = [...splits].sort((a, b) => compareIds(a.split, b.split))
  ordered.forEach((split, index) => byLane[(taken + index) % lanes]?.push(split))
  return byLane
}

const numeric = new Intl.Collator('en', { numeric: true })

function compareIds(a: string, b: string): number {
  return numeric.compare(a, b)
}
