import type { ColumnPage } from './column-page.ts'
import type { JsonCells } from './json-cells.ts'
import { addLarge, addSafe, dayOf, exactScaledOf, type Source } from './plain-values.ts'

/**
 * Adds the values of a column that lie in bytes as text. Plain values are checked and converted in one pass; `check` is
 * asked about all others, and tells with `false` that a value is none of its type: then the row is returned, otherwise -1.
 */
export type AddChecked = (
  page: ColumnPage,
  source: Source,
  cells: JsonCells,
  column: number,
  check: (start: number, end: number) => boolean,
) => number

/** Digits of a whole number that a double holds exactly. */
const SAFE_DIGITS = 15
const ZERO = 0x30
const MINUS = 0x2d
const POINT = 0x2e
const WORD = 4
const DAY_SECONDS = 86_400
/** `YYYY-MM-DD HH:MM:SS` */
const MOMENT_BYTES = 19
const DATE_BYTES = 10

/** Any bytes are text here. */
export const addCheckedTexts: AddChecked = (page, { view }, cells, column) => {
  const { starts, ends, columns, rows } = cells
  let room = WORD
  let nulls = 0
  for (let row = 0, cell = column; row < rows; row++, cell += columns) {
    if (starts[cell]! < 0) nulls++
    else room += ends[cell]! - starts[cell]! + WORD
  }
  page.reserveRows(rows)
  page.reserve(room)
  const target = page.view
  let to = page.length
  for (let row = 0, cell = column; row < rows; row++, cell += columns) {
    const start = starts[cell]!
    if (start < 0) {
      page.addNull()
      continue
    }
    const length = ends[cell]! - start
    target.setInt32(to, length, true)
    to += WORD
    // Behind the last value are some bytes more, so its last word may reach over its end.
    for (let at = 0; at < length; at += WORD) target.setInt32(to + at, view.getInt32(start + at, true), true)
    to += length
    if (nulls > 0) page.addPresent()
  }
  if (nulls === 0) page.addPresentRows(rows)
  page.length = to
  return -1
}

/** Whole numbers and decimals, times ten to the power of `scale`; `digits` before the point always fit. */
export function addCheckedNumbers(digits: number, scale: number, isSigned: boolean): AddChecked {
  const wholeMax = Math.min(digits, SAFE_DIGITS - scale)
  return (page, { bytes }, cells, column, check) => {
    const { starts, ends, columns, rows } = cells
    page.reserveRows(rows)
    page.reserve(rows * 8)
    for (let row = 0, cell = column; row < rows; row++, cell += columns) {
      const start = starts[cell]!
      if (start < 0) {
        page.addNull()
        continue
      }
      const end = ends[cell]!
      const isNegative = bytes[start] === MINUS
      const first = isNegative ? start + 1 : start
      let at = first
      let value = 0
      for (let digit = bytes[at]! - ZERO; at < end && digit >>> 0 <= 9; digit = bytes[++at]! - ZERO) {
        value = value * 10 + digit
      }
      const whole = at - first
      let fraction = 0
      if (at < end && scale > 0 && bytes[at] === POINT) {
        at++
        for (let digit = bytes[at]! - ZERO; at < end && fraction < scale && digit >>> 0 <= 9; fraction++) {
          value = value * 10 + digit
          digit = bytes[++at]! - ZERO
        }
        if (fraction === 0) at = -1
      }
      const isPlain =
        at === end &&
        whole > 0 &&
        whole <= wholeMax &&
        (whole === 1 || bytes[first] !== ZERO) &&
        (isSigned || !isNegative)
      if (isPlain) {
        for (; fraction < scale; fraction++) value *= 10
        addSafe(page, isNegative ? -value : value)
      } else {
        if (!check(start, end)) return row
        addLarge(page, exactScaledOf(bytes, start, end, scale))
      }
    }
    return -1
  }
}

/** Moments without a zone, in microseconds; rows that follow each other often have the same day. */
export function addCheckedMoments(precision: number): AddChecked {
  return (page, { bytes, view }, cells, column, check) => {
    const { starts, ends, columns, rows } = cells
    page.reserveRows(rows)
    page.reserve(rows * 8)
    // The words of the day that was looked at last: `YYYY`, `-MM-` and `-DD` with what comes before it.
    let word0 = 0
    let word1 = 0
    let word2 = 0
    let daySeconds = 0
    for (let row = 0, cell = column; row < rows; row++, cell += columns) {
      const start = starts[cell]!
      if (start < 0) {
        page.addNull()
        continue
      }
      const end = ends[cell]!
      const size = end - start
      const isSameDay =
        size >= MOMENT_BYTES &&
        view.getInt32(start, true) === word0 &&
        view.getInt32(start + 4, true) === word1 &&
        view.getInt32(start + 6, true) === word2
      if (isSameDay) {
        const micros = microsOfClock(bytes, start + DATE_BYTES, end, precision)
        if (micros >= 0) {
          addSafe(page, daySeconds * 1e6 + micros)
          continue
        }
      }
      if (!check(start, end)) return row
      word0 = view.getInt32(start, true)
      word1 = view.getInt32(start + 4, true)
      word2 = view.getInt32(start + 6, true)
      daySeconds = dayOf(bytes, start) * DAY_SECONDS
      // Years far from ours do not fit a double in microseconds.
      if (Math.abs(daySeconds) >= SAFE_SECONDS) word0 = 0
      addLarge(page, BigInt(daySeconds) * 1_000_000n + BigInt(checkedMicros(bytes, start + DATE_BYTES, end)))
    }
    return -1
  }
}

const SAFE_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / 1e6) - DAY_SECONDS

/** Microseconds of ` HH:MM:SS[.f…]`, or -1 when it is not written just so. */
function microsOfClock(bytes: Buffer, at: number, end: number, precision: number): number {
  const between = bytes[at]
  if (between !== 0x20 && between !== 0x54) return -1
  const hour = two(bytes, at + 1)
  const minute = two(bytes, at + 4)
  const second = two(bytes, at + 7)
  if (hour > 23 || minute > 59 || second > 59 || bytes[at + 3] !== 0x3a || bytes[at + 6] !== 0x3a) return -1
  let micros = ((hour * 60 + minute) * 60 + second) * 1e6
  if (at + 9 === end) return micros
  const digits = end - at - 10
  if (bytes[at + 9] !== POINT || digits < 1 || digits > precision) return -1
  let unit = 100_000
  for (let place = at + 10; place < end; place++, unit /= 10) {
    const digit = (bytes[place]! - ZERO) >>> 0
    if (digit > 9) return -1
    micros += digit * unit
  }
  return micros
}

/** The same of a clock that was checked, or is missing; digits behind the microseconds are zeros. */
function checkedMicros(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return 0
  let micros = ((two(bytes, at + 1) * 60 + two(bytes, at + 4)) * 60 + two(bytes, at + 7)) * 1e6
  let unit = 100_000
  for (let place = at + 10; place < Math.min(end, at + 16); place++, unit /= 10) micros += (bytes[place]! - ZERO) * unit
  return micros
}

function two(bytes: Buffer, at: number): number {
  const tens = (bytes[at]! - ZERO) >>> 0
  const ones = (bytes[at + 1]! - ZERO) >>> 0
  return tens > 9 || ones > 9 ? 100 : tens * 10 + ones
}
