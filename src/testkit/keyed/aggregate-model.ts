import type { Window } from '../../dataplane/index.ts'

/** A row of the model: moments are microseconds, amounts hundredths. */
export interface Row {
  readonly key: number | null
  readonly at: number | null
  readonly amount: number
}

/** What a job did that counts, in order: rows that it read, and barriers with the event time that they carried. */
export type Happening =
  | { readonly kind: 'rows'; readonly rows: readonly Row[] }
  | { readonly kind: 'barrier'; readonly eventTime: number | undefined; readonly isEnd: boolean }

interface Kept {
  readonly key: number | null
  start: number
  end: number
  count: number
  sum: number
  least: number
  readonly different: Set<number>
  /** Keys that results were given by which it has become. */
  readonly told: Set<string>
}

export interface Windows {
  readonly window: Window | undefined
  readonly lateness: number
  /** Results are given before their window has closed, too. When does not matter to what stands in the end. */
  readonly isEarly: boolean
}

/** The results that have to stand in the end, as `key start end count sum least different`, and the rows that came too late. */
interface Outcome {
  readonly results: readonly string[]
  readonly late: number
}

/** Aggregates row by row, as one would on paper. */
export function outcomeOf(happenings: readonly Happening[], { window, lateness, isEarly }: Windows): Outcome {
  const open: Kept[] = []
  const given = new Map<string, string>()
  let closed: number | undefined
  let late = 0
  for (const happening of happenings) {
    if (happening.kind === 'rows') {
      for (const row of happening.rows) if (!take(row, open, window, closed, lateness)) late += 1
      continue
    }
    closed = happening.eventTime
    for (const kept of [...open]) {
      const isDone = window === undefined || isEarly || happening.isEnd || kept.end <= (closed ?? -Infinity)
      const key = `${kept.key} ${kept.start} ${kept.end}`
      const isGiven = kept.told.size > 0
      for (const before of kept.told) if (before !== key) given.delete(before)
      kept.told.clear()
      if (isDone || isGiven) {
        given.set(key, textOf(kept))
        kept.told.add(key)
      }
      const isOver = window !== undefined && (happening.isEnd || kept.end <= (closed ?? -Infinity) - lateness)
      if (isOver) open.splice(open.indexOf(kept), 1)
    }
  }
  return { results: [...given.values()].sort(), late }
}

function textOf({ key, start, end, count, sum, least, different }: Kept): string {
  return `${key} ${start} ${end} ${count} ${sum} ${least} ${different.size}`
}

/** False for a row that no open window takes. */
function take(
  row: Row,
  open: Kept[],
  window: Window | undefined,
  closed: number | undefined,
  lateness: number,
): boolean {
  const { key, at, amount } = row
  if (window !== undefined && at === null) return false
  const isOpen = ([, end]: readonly [number, number]): boolean =>
    window === undefined || closed === undefined || end > closed - lateness
  const windows = windowsOf(at ?? 0, window).filter(isOpen)
  for (const [start, end] of windows) {
    const same = open.filter((kept) => kept.key === key && isSame(kept, start, end, window))
    const [first] = same
    if (first === undefined) {
      open.push({
        key,
        start,
        end,
        count: 1,
        sum: amount,
        least: amount,
        different: new Set([amount]),
        told: new Set(),
      })
      continue
    }
    // Sessions that a row brings together become one.
    for (const other of same.slice(1)) {
      open.splice(open.indexOf(other), 1)
      add(first, other)
    }
    add(first, { key, start, end, count: 1, sum: amount, least: amount, different: new Set([amount]), told: new Set() })
  }
  return windows.length > 0
}

function add(to: Kept, other: Kept): void {
  to.start = Math.min(to.start, other.start)
  to.end = Math.max(to.end, other.end)
  to.count += other.count
  to.sum += other.sum
  to.least = Math.min(to.least, other.least)
  for (const value of other.different) to.different.add(value)
  for (const key of other.told) to.told.add(key)
}

function isSame(kept: Kept, start: number, end: number, window: Window | undefined): boolean {
  if (window?.kind === 'session') return start < kept.end && kept.start < end
  return kept.start === start && kept.end === end
}

/** The windows of a moment; a session that it would make alone; one for all where there are no windows. */
function windowsOf(at: number, window: Window | undefined): (readonly [start: number, end: number])[] {
  if (window === undefined) return [[0, 0]]
  if (window.kind === 'session') return [[at, at + window.gap]]
  const { size, offset } = window
  const found: [number, number][] = []
  const first = offset + Math.floor((at - offset) / size) * size
  if (window.kind === 'tumbling') return [[first, first + size]]
  if (window.kind === 'cumulative') {
    for (let end = first + window.every; end <= first + size; end += window.every)
      if (end > at) found.push([first, end])
    return found
  }
  for (let start = first - size - window.every; start <= at; start++) {
    // Only what begins at a multiple is a window; the step keeps this loop as plain as the definition.
    const behind = (((start - offset) % window.every) + window.every) % window.every
    if (behind !== 0) start += window.every - behind
    if (start <= at && at < start + size) found.push([start, start + size])
  }
  return found
}
