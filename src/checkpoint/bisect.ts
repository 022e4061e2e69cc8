/**
 * Finding the record that a server refuses when it says only that it refuses something: halves of the checkpoint's
 * records are offered again, in transactions that are always rolled back, until one record is left.
 */

/** Records of one split, numbered from 0 at the position of the last published checkpoint; `to` is exclusive. */
export interface RecordRange {
  readonly source: string
  readonly split: string
  readonly from: number
  readonly to: number
}

export interface Bisection {
  /** Somewhere in here is a refused record. Empty: the search came to nothing. */
  readonly suspects: readonly RecordRange[]
  /** The smallest set of records that was refused as a whole. */
  readonly refused: readonly RecordRange[]
  /** A trial refused `refused`; before the first one only the checkpoint was. */
  readonly isTried: boolean
}

export type Verdict = 'refused' | 'accepted'

/** Begins with everything that was read since the last published checkpoint. */
export function startBisection(ranges: readonly RecordRange[]): Bisection {
  const suspects = ranges.filter((range) => range.to > range.from)
  return { suspects, refused: suspects, isTried: false }
}

/** The records to offer next; `undefined` when `refused` cannot be made smaller. */
export function nextTrial({ suspects, refused, isTried }: Bisection): readonly RecordRange[] | undefined {
  const count = countRecords(suspects)
  if (count === 0) return undefined
  if (count > 1) return split(suspects, Math.ceil(count / 2)).first
  // One is left. Where only the others were seen to be taken, it has to show that it is refused by itself.
  return isTried && countRecords(refused) === 1 ? undefined : suspects
}

export function afterTrial(bisection: Bisection, verdict: Verdict): Bisection {
  const trial = nextTrial(bisection)
  if (trial === undefined) return bisection
  if (verdict === 'refused') return { suspects: trial, refused: trial, isTried: true }
  return { ...bisection, suspects: split(bisection.suspects, countRecords(trial)).rest }
}

export function countRecords(ranges: readonly RecordRange[]): number {
  return ranges.reduce((sum, range) => sum + range.to - range.from, 0)
}

function split(ranges: readonly RecordRange[], count: number): { first: RecordRange[]; rest: RecordRange[] } {
  const first: RecordRange[] = []
  const rest: RecordRange[] = []
  let left = count
  for (const range of ranges) {
    const border = Math.min(range.to, range.from + left)
    left -= border - range.from
    if (border > range.from) first.push({ ...range, to: border })
    if (range.to > border) rest.push({ ...range, from: border })
  }
  return { first, rest }
}
