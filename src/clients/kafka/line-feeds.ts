import type { OpenBatch, Stop } from './open-batch.ts'
import { LINE_FEED, type ValueTarget } from './value-target.ts'

const BLANK = 0x20

/**
 * Gathers with a separator while making sure that no value contains it when it is the line feed.
 *
 * A line feed inside a value would make two lines of it, and looking for one in every value is slow. So `copy` writes
 * blanks as separators, one search over everything that was copied finds line feeds, and the separators come last.
 */
export function gatherSeparated(
  batch: OpenBatch,
  target: ValueTarget,
  copy: (rowsMax: number, separator: number) => Stop,
): Stop {
  const rowsMax = target.ends.length
  if (target.separator !== LINE_FEED) return copy(rowsMax, target.separator)
  const { at, left, nextDelta } = batch
  const { rows, length } = target
  let stop = copy(rowsMax, BLANK)
  const copied = target.buffer.subarray(length, target.length)
  const first = copied.indexOf(LINE_FEED)
  if (first !== -1 && target.isJson) {
    // JSON has line feeds only between its tokens: inside strings they are escaped.
    for (let found = first; found !== -1; found = copied.indexOf(LINE_FEED, found + 1)) copied[found] = BLANK
  } else if (first !== -1) {
    // Back to where this call began, then again up to the value before the bad one.
    const bad = rowAt(target, rows, length + first)
    Object.assign(batch, { at, left, nextDelta })
    target.truncate(rows)
    copy(bad, BLANK)
    stop = 'line break'
  }
  for (let row = rows; row < target.rows; row++) target.buffer[target.ends[row]!] = LINE_FEED
  return stop
}

/** The row that a byte of the target belongs to. */
function rowAt(target: ValueTarget, from: number, position: number): number {
  let row = from
  while (row < target.rows - 1 && (target.ends[row] ?? 0) < position) row++
  return row
}
