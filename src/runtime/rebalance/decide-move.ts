import type { SplitId } from '../../core/batch.ts'

/** A split of one source, the lane that reads it, and the bytes that it gave since the last checkpoint. */
export interface SplitLoad {
  readonly split: SplitId
  readonly lane: number
  readonly bytes: number
}

export interface Move {
  readonly split: SplitId
  readonly from: number
  readonly to: number
}

/** Barriers in a row at which the same lane read too much. */
export interface Skew {
  readonly lane: number
  readonly times: number
}

/** Of the mean: a lane that reads more is skewed. */
const SKEWED = 1.3
/** A burst is no skew: so many barriers in a row have to say the same. */
const PATIENCE = 3
/** Of the mean: a move that wins less is not worth reading anything again. */
const WORTH = 0.1

/**
 * Decides at a barrier whether a split moves to another lane, one at a time: from the lane that reads most to the one that
 * reads least, the split that evens them out best. After a move the patience begins anew.
 */
export function decideMove(
  loads: readonly SplitLoad[],
  lanes: number,
  before: Skew | undefined,
): { readonly move?: Move; readonly skew: Skew | undefined } {
  const sums = Array.from({ length: lanes }, () => 0)
  for (const { lane, bytes } of loads) sums[lane] = (sums[lane] ?? 0) + bytes
  const mean = sums.reduce((sum, bytes) => sum + bytes, 0) / lanes
  const most = Math.max(...sums)
  const from = sums.indexOf(most)
  const least = Math.min(...sums)
  const to = sums.indexOf(least)
  // Lanes tell what they read a few times a second, and checkpoints may be faster: nothing told is nothing learned.
  if (mean === 0) return { skew: before }
  if (most <= mean * SKEWED) return { skew: undefined }
  const best = bestSplit(loads, from, most - least)
  // Between the two lanes the larger one is what counts.
  const won = best === undefined ? 0 : most - Math.max(most - best.bytes, least + best.bytes)
  if (best === undefined || won < mean * WORTH) return { skew: undefined }
  const times = before?.lane === from ? before.times + 1 : 1
  if (times < PATIENCE) return { skew: { lane: from, times } }
  return { move: { split: best.split, from, to }, skew: undefined }
}

/** Of a lane's splits, the one nearest to half of the difference. */
function bestSplit(loads: readonly SplitLoad[], lane: number, difference: number): SplitLoad | undefined {
  const distance = ({ bytes }: SplitLoad): number => Math.abs(bytes - difference / 2)
  return loads
    .filter((load) => load.lane === lane && load.bytes > 0)
    .toSorted((a, b) => distance(a) - distance(b) || (a.split < b.split ? -1 : 1))[0]
}
