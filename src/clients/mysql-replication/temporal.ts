import { putBytes, putPadded, putWhole } from './json-text.ts'

/*
 * Moments as the binlog has them since MySQL 5.6 (sql-common/my_time.cc): big-endian, with the fraction of a second behind.
 * None of them passes through a Date: it knows neither microseconds nor zero dates.
 */

const DASH = 0x2d
const COLON = 0x3a
const SPACE = 0x20
const POINT = 0x2e

export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1
}

export function putDate(out: Buffer, to: number, year: number, month: number, day: number): number {
  let at = putPadded(out, to, year, 4)
  out[at] = DASH
  at = putPadded(out, at + 1, month, 2)
  out[at] = DASH
  return putPadded(out, at + 1, day, 2)
}

function putClock(out: Buffer, to: number, seconds: number): number {
  const minutes = Math.floor(seconds / 60)
  let at = putPadded(out, to, Math.floor(minutes / 60), 2)
  out[at] = COLON
  at = putPadded(out, at + 1, minutes % 60, 2)
  out[at] = COLON
  return putPadded(out, at + 1, seconds % 60, 2)
}

/** `digits` of the second, from the bytes at `from`: they hold an even number of digits. */
function putFraction(out: Buffer, to: number, bytes: Buffer, from: number, digits: number): number {
  if (digits === 0) return to
  const stored = fractionBytes(digits)
  const value = bytes.readUIntBE(from, stored)
  out[to] = POINT
  return putPadded(out, to + 1, digits % 2 === 0 ? value : Math.floor(value / 10), digits)
}

/** DATETIME: a sign, year * 13 + month (17 bits), day (5), hour (5), minute (6), second (6). */
export function putDatetime2(out: Buffer, to: number, bytes: Buffer, from: number, digits: number): number {
  const high = bytes[from]! * 0x1_00_00 + bytes[from + 1]! * 0x100 + bytes[from + 2]!
  const low = bytes[from + 3]! * 0x100 + bytes[from + 4]!
  // Bits: 1 sign, 17 year and month, 5 day, 17 time of day; the last of the day and four of the hour are in `high`.
  const yearMonth = (high >> 6) & 0x1ffff
  const day = (high >> 1) & 0x1f
  const hour = ((high & 1) << 4) | (low >> 12)
  let at = putDate(out, to, Math.floor(yearMonth / 13), yearMonth % 13, day)
  out[at] = SPACE
  at = putClock(out, at + 1, hour * 3600 + ((low >> 6) & 0x3f) * 60 + (low & 0x3f))
  return putFraction(out, at, bytes, from + 5, digits)
}

/** Year, month and day of a DATETIME are nothing but zeros somewhere: `0000-00-00`, `2024-00-10`. */
export function isZeroDatetime2(bytes: Buffer, from: number): boolean {
  const high = bytes[from]! * 0x1_00_00 + bytes[from + 1]! * 0x100 + bytes[from + 2]!
  const yearMonth = (high >> 6) & 0x1ffff
  return yearMonth % 13 === 0 || yearMonth < 13 || ((high >> 1) & 0x1f) === 0
}

/** TIMESTAMP: seconds since 1970 in UTC, which is how it is written. */
export function putTimestamp2(out: Buffer, to: number, bytes: Buffer, from: number, digits: number): number {
  const at = putMoment(out, to, bytes.readUInt32BE(from))
  return putFraction(out, at, bytes, from + 4, digits)
}

/** The day that was written last: moments of neighbouring rows mostly share it. */
const lastDay = { days: Number.NaN, text: Buffer.alloc(10) }

/** Seconds since 1970 as `YYYY-MM-DD HH:MM:SS` in UTC. */
export function putMoment(out: Buffer, to: number, seconds: number): number {
  const days = Math.floor(seconds / 86_400)
  if (days !== lastDay.days) {
    putDay(lastDay.text, days)
    lastDay.days = days
  }
  const at = putBytes(out, to, lastDay.text)
  out[at] = SPACE
  return putClock(out, at + 1, seconds - days * 86_400)
}

function putDay(out: Buffer, days: number): void {
  // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  putDate(out, 0, yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}

/**
 * TIME: a sign, one unused bit, hour (10), minute (6), second (6), fraction; the whole is one number, and a negative one
 * is stored as what is left below the middle of the range.
 */
export function putTime2(out: Buffer, start: number, bytes: Buffer, from: number, digits: number): number {
  const stored = fractionBytes(digits)
  const span = 2 ** (8 * stored)
  const raw = bytes.readUIntBE(from, 3) * span + (stored === 0 ? 0 : bytes.readUIntBE(from + 3, stored))
  const value = raw - 0x80_00_00 * span
  const size = Math.abs(value)
  const whole = Math.floor(size / span)
  const fraction = size - whole * span
  let to = start
  if (value < 0) out[to++] = DASH
  const hour = whole >> 12
  to = hour < 10 ? putPadded(out, to, hour, 2) : hour < 100 ? putPadded(out, to, hour, 2) : putWhole(out, to, hour)
  out[to] = COLON
  to = putPadded(out, to + 1, (whole >> 6) & 0x3f, 2)
  out[to] = COLON
  to = putPadded(out, to + 1, whole & 0x3f, 2)
  if (digits === 0) return to
  out[to] = POINT
  return putPadded(out, to + 1, digits % 2 === 0 ? fraction : Math.floor(fraction / 10), digits)
}
