import type { DeadLetterRoute } from '../core/dead-letters.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'

/** What one part of the pipeline put aside in one checkpoint. */
export interface DeadLettersOfPart {
  readonly rows: number
  /** Where the first one stands, and why. */
  readonly first: {
    readonly source: string
    readonly split: string
    readonly position: JsonObject
    readonly reason: string
  }
}

/** What a part put aside since the pipeline began, and in the window that its ratio is judged over. */
export interface DeadLetterTotal {
  readonly rows: number
  readonly window: { readonly records: number; readonly rows: number }
}

export type DeadLetterTotals = Readonly<Record<string, DeadLetterTotal>>

/** A window that holds so many records is over. */
const WINDOW_RECORDS = 10_000
/** Of fewer records nothing is said before all were read: one bad one in the first ten is no flood. */
const JUDGED_RECORDS = 1_000

export interface CountedLetters {
  readonly checkpoint: number
  /** Records that the checkpoint read. */
  readonly read: number
  readonly letters: ReadonlyMap<string, DeadLettersOfPart>
  /** All input was read to its end. */
  readonly isEnd: boolean
}

/**
 * The totals with this checkpoint.
 *
 * @throws MillraceError POISON where a part has more dead letters than it may have: then the checkpoint is not published.
 */
export function countDeadLetters(
  routes: Readonly<Record<string, DeadLetterRoute>>,
  before: DeadLetterTotals,
  counted: CountedLetters,
): DeadLetterTotals {
  const totals = Object.keys(routes).map((part) => {
    const { rows, window } = before[part] ?? { rows: 0, window: { records: 0, rows: 0 } }
    const more = counted.letters.get(part)?.rows ?? 0
    const open = window.records >= WINDOW_RECORDS ? { records: 0, rows: 0 } : window
    return [
      part,
      { rows: rows + more, window: { records: open.records + counted.read, rows: open.rows + more } },
    ] as const
  })
  for (const [part, total] of totals) {
    const why = excessOf(total, routes[part], counted.isEnd)
    if (why !== undefined) throw overBudget(part, why, counted)
  }
  return Object.fromEntries(totals)
}

function excessOf(
  { rows, window }: DeadLetterTotal,
  route: DeadLetterRoute | undefined,
  isEnd: boolean,
): string | undefined {
  const { maxRows = Number.POSITIVE_INFINITY, maxRatio = 1 } = route ?? {}
  if (rows > maxRows) return `${rows} records were put aside, more than maxRows: ${maxRows}`
  const judged = isEnd ? window.records : Math.max(window.records, JUDGED_RECORDS)
  if (window.rows <= maxRatio * judged) return undefined
  return `${window.rows} of the last ${window.records} records were put aside, more than maxRatio: ${maxRatio}`
}

function overBudget(part: string, why: string, { checkpoint, letters }: CountedLetters): MillraceError {
  const first = letters.get(part)?.first
  const example =
    first === undefined
      ? ''
      : ` The first one of this checkpoint: ${first.source}, split ${first.split}, ${JSON.stringify(first.position)}: ${first.reason}.`
  return new MillraceError(
    `dead letters of ${part}: ${why}. Checkpoint ${checkpoint} was not published, and nothing of it is visible.${example}`,
    { code: 'POISON', detail: { deadLettersOf: part, checkpoint, split: first?.split ?? '', ...(first && { first }) } },
  )
}

export function addLetters(
  all: readonly ReadonlyMap<string, DeadLettersOfPart>[],
): ReadonlyMap<string, DeadLettersOfPart> {
  const sums = new Map<string, DeadLettersOfPart>()
  for (const [part, { rows, first }] of all.flatMap((one) => [...one])) {
    const before = sums.get(part)
    sums.set(part, { rows: (before?.rows ?? 0) + rows, first: before?.first ?? first })
  }
  return sums
}
