import type { ColumnPage } from './column-page.ts'
import type { JsonCells } from './json-cells.ts'

/**
 * Turns scanned cells of a column into plain values. The scanner has checked every value against its type, so nothing
 * here can fail; and nothing here loses a digit: what a double does not hold exactly goes through bigint.
 */
export type AddValues = (page: ColumnPage, source: Source, cells: JsonCells, column: number) => void

/** The bytes in which the cells lie. */
export interface Source {
  readonly bytes: Buffer
  readonly view: DataView
}

/** Digits of a whole number that a double holds exactly. */
const SAFE_DIGITS = 15
const SAFE_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / 1e6) - 1
const MINUS = 0x2d
const POINT = 0x2e
const SPACE = 0x20
const ZERO = 0x30
const DATE_BYTES = 10
const WORD = 4

/** Strings without their quotes, or the text of any other scalar. */
export const addTexts: AddValues = (page, { bytes, view }, cells, column) => {
  const { starts, ends, columns, rows } = cells
  page.reserveRows(rows)
  for (let row = 0, cell = column; row < rows; row++, cell += columns) {
    const start = starts[cell]!
    const end = ends[cell]!
    if (start < 0) page.addNull()
    else if (end < 0) addBytes(page, unescaped(bytes, start, ~end))
    else {
      const length = end - start
      // Room for a whole last word.
      page.reserve(length + 2 * WORD)
      const target = page.view
      let to = page.length
      target.setInt32(to, length, true)
      to += WORD
      // Behind the value are a brace and a newline at least, so the last word may reach two bytes over its end.
      let from = start
      for (; from < end - 1; from += WORD, to += WORD) target.setInt32(to, view.getInt32(from, true), true)
      if (from < end) page.data[to] = bytes[from]!
      page.length += WORD + length
      page.addPresent()
    }
  }
}

/** JSON documents as they are written; white space between tokens becomes blanks. */
export const addDocuments: AddValues = (page, { bytes }, cells, column) => {
  const { starts, ends, columns, rows } = cells
  page.reserveRows(rows)
  for (let row = 0, cell = column; row < rows; row++, cell += columns) {
    const start = starts[cell]!
    if (start < 0) page.addNull()
    else {
      const text = Buffer.from(bytes.subarray(start, ends[cell]))
      for (let at = 0; at < text.length; at++) if (text[at]! < SPACE) text[at] = SPACE
      addBytes(page, text)
    }
  }
}

function unescaped(bytes: Buffer, start: number, end: number): Buffer {
  const text: string = JSON.parse(bytes.toString('utf8', start - 1, end + 1))
  return Buffer.from(text)
}

function addBytes(page: ColumnPage, text: Buffer): void {
  page.reserve(text.length + WORD)
  page.view.setInt32(page.length, text.length, true)
  text.copy(page.data, page.length + WORD)
  page.length += WORD + text.length
  page.addPresent()
}

/** Whole numbers times ten to the power of `scale`, in 64 bits. */
export function addScaled(scale: number): AddValues {
  return (page, { bytes }, cells, column) => {
    const { starts, ends, columns, rows } = cells
    page.reserveRows(rows)
    page.reserve(rows * 8)
    for (let row = 0, cell = column; row < rows; row++, cell += columns) {
      const start = starts[cell]!
      if (start < 0) page.addNull()
      else {
        const end = ends[cell]!
        if (end - start + scale <= SAFE_DIGITS) addSafe(page, scaledOf(bytes, start, end, scale))
        else addLarge(page, exactScaledOf(bytes, start, end, scale))
      }
    }
  }
}

function scaledOf(bytes: Buffer, start: number, end: number, scale: number): number {
  const isNegative = bytes[start] === MINUS
  let at = isNegative ? start + 1 : start
  let value = 0
  for (; at < end && bytes[at] !== POINT; at++) value = value * 10 + (bytes[at]! - ZERO)
  at++
  // Digits beyond the scale are zeros, as the scanner has seen.
  for (let digit = 0; digit < scale; digit++, at++) value = value * 10 + (at < end ? bytes[at]! - ZERO : 0)
  return isNegative ? -value : value
}

export function exactScaledOf(bytes: Buffer, start: number, end: number, scale: number): bigint {
  const [whole = '', fraction = ''] = bytes.toString('latin1', start, end).split('.')
  return BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'))
}

/** Moments without a zone in microseconds since 1970. */
export const addMoments: AddValues = (page, { bytes }, cells, column) => {
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
    let seconds = dayOf(bytes, start) * 86_400
    let micros = 0
    if (end - start > DATE_BYTES) {
      seconds += two(bytes, start + 11) * 3600 + two(bytes, start + 14) * 60 + two(bytes, start + 17)
      micros = microsOf(bytes, start + 20, end)
    }
    if (seconds < SAFE_SECONDS && seconds > -SAFE_SECONDS) addSafe(page, seconds * 1e6 + micros)
    else addLarge(page, BigInt(seconds) * 1_000_000n + BigInt(micros))
  }
}

function two(bytes: Buffer, at: number): number {
  return bytes[at]! * 10 + bytes[at + 1]! - 11 * ZERO
}

/** Days from 1970-01-01 in the Gregorian calendar, also before it was in use, as DuckDB counts them. */
export function dayOf(bytes: Buffer, at: number): number {
  const month = two(bytes, at + 5)
  // Years begin in March here, so that the leap day is the last one.
  const year = two(bytes, at) * 100 + two(bytes, at + 2) - (month <= 2 ? 1 : 0)
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + two(bytes, at + 8) - 1
  return year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear - 719_468
}

function microsOf(bytes: Buffer, at: number, end: number): number {
  let micros = 0
  for (let digit = 0; digit < 6; digit++) micros = micros * 10 + (at + digit < end ? bytes[at + digit]! - ZERO : 0)
  return micros
}

/** `value` is a whole number that a double holds exactly. */
export function addSafe(page: ColumnPage, value: number): void {
  const low = value >>> 0
  page.view.setInt32(page.length, low, true)
  page.view.setInt32(page.length + 4, (value - low) / 4_294_967_296, true)
  page.length += 8
  page.addPresent()
}

export function addLarge(page: ColumnPage, value: bigint): void {
  page.view.setBigInt64(page.length, value, true)
  page.length += 8
  page.addPresent()
}
