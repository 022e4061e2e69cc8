import { failure, hexDigit, isDigit } from './json-values.ts'
import type { ColumnType } from './types.ts'

/** Scanners of values that travel as strings. `at` is behind the opening quote; they return the closing one's place. */

const NOT_DATE = failure('not a date (YYYY-MM-DD, years 0001 to 9999)')
const NOT_TIME = failure('not a time (HH:MM:SS, with at most 6 digits of a second)')
const NOT_TIMESTAMP = failure('not a timestamp (YYYY-MM-DD HH:MM:SS)')
const TOO_PRECISE = failure('more digits of a second than the type holds')
const HAS_OFFSET = failure('a zone offset in a timestamp without a zone (use timestamptz)')
const NO_OFFSET = failure('no zone offset in a timestamptz')
const NOT_UUID = failure('not a UUID')
const NOT_BASE64 = failure('not base64')

const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const FRACTION_DIGITS_MAX = 9

/** Two digits as a number; NaN-free: anything else gives a number beyond every limit used here. */
function two(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at]! - 0x30) >>> 0
  const ones = (bytes[at + 1]! - 0x30) >>> 0
  return tens > 9 || ones > 9 ? 100 : tens * 10 + ones
}

function scanDate(bytes: Uint8Array, at: number): number {
  const century = two(bytes, at)
  const year = two(bytes, at + 2)
  const month = two(bytes, at + 5)
  const day = two(bytes, at + 8)
  if (century > 99 || year > 99 || bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d) return NOT_DATE
  if (month < 1 || month > 12 || day < 1 || century + year === 0) return NOT_DATE
  if (day <= 28 || day <= DAYS[month]!) return at + 10
  const fullYear = century * 100 + year
  const isLeap = fullYear % 4 === 0 && (fullYear % 100 !== 0 || fullYear % 400 === 0)
  return month === 2 && day === 29 && isLeap ? at + 10 : NOT_DATE
}

/** `HH:MM:SS[.f…]`, seconds up to 59, at most `precision` digits that are not zero. */
function scanClock(bytes: Uint8Array, at: number, precision: number, wrong: number): number {
  if (two(bytes, at) > 23 || bytes[at + 2] !== 0x3a || two(bytes, at + 3) > 59) return wrong
  if (bytes[at + 5] !== 0x3a || two(bytes, at + 6) > 59) return wrong
  if (bytes[at + 8] !== 0x2e) return at + 8
  let place = at + 9
  while (isDigit(bytes[place])) {
    if (place - at - 9 >= precision && bytes[place] !== 0x30) return TOO_PRECISE
    place++
  }
  const digits = place - at - 9
  return digits === 0 || digits > FRACTION_DIGITS_MAX ? wrong : place
}

function scanTime(bytes: Uint8Array, at: number): number {
  return scanClock(bytes, at, 6, NOT_TIME)
}

/** A date alone means its midnight. */
function scanMoment(bytes: Uint8Array, at: number, precision: number): number {
  const day = scanDate(bytes, at)
  if (day < 0) return NOT_TIMESTAMP
  const between = bytes[day]
  return between === 0x20 || between === 0x54 ? scanClock(bytes, day + 1, precision, NOT_TIMESTAMP) : day
}

export function scanTimestamp(bytes: Uint8Array, at: number, precision: number): number {
  const end = scanMoment(bytes, at, precision)
  if (end < 0) return end
  const next = bytes[end]
  return next === 0x5a || next === 0x7a || next === 0x2b || next === 0x2d ? HAS_OFFSET : end
}

function scanTimestampWithZone(bytes: Uint8Array, at: number): number {
  const end = scanMoment(bytes, at, 6)
  if (end < 0) return end
  if (end === at + 10) return NO_OFFSET
  const sign = bytes[end]
  if (sign === 0x5a) return end + 1
  if (sign !== 0x2b && sign !== 0x2d) return NO_OFFSET
  if (two(bytes, end + 1) > 14) return NOT_TIMESTAMP
  const hasMinutes = bytes[end + 3] === 0x3a
  if (hasMinutes && two(bytes, end + 4) > 59) return NOT_TIMESTAMP
  const isZero = two(bytes, end + 1) === 0 && (!hasMinutes || two(bytes, end + 4) === 0)
  return !isZero && leavesYears(bytes, at) ? NOT_TIMESTAMP : end + (hasMinutes ? 6 : 3)
}

/** An offset may carry the first and last days out of the years 0001 to 9999; those days are only taken as UTC. */
function leavesYears(bytes: Uint8Array, at: number): boolean {
  const day = Buffer.from(bytes.buffer, bytes.byteOffset + at, 10)
  const isEdge = day[0] === 0x39 || (day[0] === 0x30 && day[1] === 0x30 && day[2] === 0x30)
  if (!isEdge) return false
  const text = day.toString('latin1')
  return text === '0001-01-01' || text === '9999-12-31'
}

function scanUuid(bytes: Uint8Array, at: number): number {
  for (let index = 0; index < 36; index++) {
    const byte = bytes[at + index]!
    const isDash = index === 8 || index === 13 || index === 18 || index === 23
    if (isDash ? byte !== 0x2d : hexDigit(byte) < 0) return NOT_UUID
  }
  return at + 36
}

function scanBase64(bytes: Uint8Array, at: number): number {
  let place = at
  while (isBase64(bytes[place]!)) place++
  const padding = bytes[place] === 0x3d ? (bytes[place + 1] === 0x3d ? 2 : 1) : 0
  return (place + padding - at) % 4 === 0 ? place + padding : NOT_BASE64
}

function isBase64(byte: number): boolean {
  const lower = byte | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || isDigit(byte) || byte === 0x2b || byte === 0x2f
}

/** A value of a type that travels as text. */
export function scanQuoted(bytes: Uint8Array, at: number, type: ColumnType): number {
  switch (type.kind) {
    case 'timestamp':
      return scanTimestamp(bytes, at, type.precision)
    case 'timestamptz':
      return scanTimestampWithZone(bytes, at)
    case 'date':
      return scanDate(bytes, at)
    case 'time':
      return scanTime(bytes, at)
    case 'uuid':
      return scanUuid(bytes, at)
    case 'blob':
      return scanBase64(bytes, at)
    default:
      return failure('broken JSON')
  }
}
