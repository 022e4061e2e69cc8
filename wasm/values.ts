/*
 * AssemblyScript: values of columns, checked and put into column pages, for all modules here. What passes must be what
 * the decoders in TypeScript let pass, to the byte; whoever calls takes everything else the long way.
 *
 * All places are addresses, and behind all bytes there is room for 32 more. A column is four fields of four bytes:
 *
 *   place of the next value · the same before this row · number of NULLs · list of the rows that are NULL
 */

/** Kinds of values. */
export const TEXT: i32 = 1
export const NUMBER: i32 = 2
export const MOMENT: i32 = 3
export const DIGITS: i32 = 4
export const BOOLEAN: i32 = 5

export const NULLABLE: i32 = 1
export const SIGNED: i32 = 2

/** What `scanNumber` and `scanMoment` found. */
export let found: i64 = 0

export function nullPlace(column: usize, index: u32): usize {
  return <usize>load<u32>(column, 12) + ((<usize>index) << 2)
}

export function addNull(column: usize, row: i32): void {
  const nulls = load<u32>(column, 8)
  store<i32>(nullPlace(column, nulls), row)
  store<u32>(column, nulls + 1, 8)
}

// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
export function isSame(at: usize, literal: usize, length: usize): bool {
  let left = length
  let place = at
  let wanted = literal
  while (left >= 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(place), v128.load(wanted))) != 0xffff) return false
    left -= 16
    place += 16
    wanted += 16
  }
  const same = i8x16.bitmask(i8x16.eq(v128.load(place), v128.load(wanted)))
  return (~same & ((1 << (<i32>left)) - 1)) == 0
}

// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
export function addFound(column: usize): void {
  const to = <usize>load<u32>(column)
  store<i64>(to, found)
  store<u32>(column, <u32>to + 8)
}

// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
export function addText(column: usize, start: usize, end: usize): void {
  const value = <usize>load<u32>(column)
  const length = end - start
  store<u32>(value, <u32>length)
  for (let done: usize = 0; done < length; done += 16) v128.store(value + 4 + done, v128.load(start + done))
  store<u32>(column, <u32>(value + 4 + length))
}

/** A whole number or decimal, as 64 bits times ten to the power of the scale; returns the place behind it, or 0. */
export function scanNumber(from: usize, digits: i32, digitsBehind: i32, flags: i32): usize {
  let at = from
  const isNegative = load<u8>(at) == 0x2d
  if (isNegative) at++
  const first = at
  let value: i64 = 0
  let digit = <u32>load<u8>(at) - 0x30
  if (digit > 9) return 0
  const isZero = digit == 0
  do {
    value = value * 10 + digit
    digit = <u32>load<u8>(++at) - 0x30
  } while (digit <= 9)
  const whole = <i32>(at - first)
  // One zero needs no digit of the type.
  if (isZero ? whole > 1 : whole > digits) return 0
  let scale = digitsBehind
  if (load<u8>(at) == 0x2e) {
    digit = <u32>load<u8>(++at) - 0x30
    if (digit > 9) return 0
    do {
      if (--scale < 0) return 0
      value = value * 10 + digit
      digit = <u32>load<u8>(++at) - 0x30
    } while (digit <= 9)
  }
  while (scale-- > 0) value *= 10
  if (isNegative) {
    if (value == 0 || (flags & SIGNED) == 0) return 0
    value = -value
  }
  found = value
  return at
}

/** A number that travels as its text; returns the place behind it, or 0. */
export function scanDigits(from: usize, digits: i32, digitsBehind: i32, flags: i32): usize {
  let at = from
  if (load<u8>(at) == 0x2d) {
    if ((flags & SIGNED) == 0) return 0
    at++
  }
  const first = at
  while (isDigit(at)) at++
  const whole = <i32>(at - first)
  if (whole == 0 || (whole > 1 && load<u8>(first) == 0x30)) return 0
  if (whole > digits) return 0
  if (load<u8>(at) == 0x2e) {
    const point = at++
    while (isDigit(at)) at++
    const fraction = <i32>(at - point) - 1
    if (fraction == 0 || fraction > digitsBehind) return 0
  }
  return at
}

/** `true` or `false`; returns the place behind it, or 0. */
export function scanBoolean(at: usize): usize {
  const word = load<u32>(at)
  if (word == 0x65757274) return at + 4
  return word == 0x736c6166 && load<u8>(at, 4) == 0x65 ? at + 5 : 0
}

/** `YYYY-MM-DD hh:mm:ss[.f]` as microseconds since 1970; returns the place behind it, or 0. */
export function scanMoment(from: usize, precision: i32): usize {
  let at = from
  const century = two(at)
  const yearOfCentury = two(at + 2)
  const month = two(at + 5)
  const day = two(at + 8)
  const hour = two(at + 11)
  const minute = two(at + 14)
  const second = two(at + 17)
  const between = load<u8>(at, 10)
  if (load<u8>(at, 4) != 0x2d || load<u8>(at, 7) != 0x2d || (between != 0x20 && between != 0x54)) return 0
  if (load<u8>(at, 13) != 0x3a || load<u8>(at, 16) != 0x3a) return 0
  if (century > 99 || yearOfCentury > 99 || month - 1 > 11 || hour > 23 || minute > 59 || second > 59) return 0
  const year = century * 100 + yearOfCentury
  if (year == 0 || day == 0 || (day > 28 && !hasDay(year, month, day))) return 0
  at += 19
  let micros: i64 = 0
  if (load<u8>(at) == 0x2e) {
    let digits = 0
    let digit = <u32>load<u8>(++at) - 0x30
    if (digit > 9) return 0
    do {
      if (++digits > precision) return 0
      micros = micros * 10 + digit
      digit = <u32>load<u8>(++at) - 0x30
    } while (digit <= 9)
    for (; digits < 6; digits++) micros *= 10
  }
  const seconds = <i64>daysOf(<i32>year, <i32>month, <i32>day) * 86400 + <i64>(hour * 3600 + minute * 60 + second)
  found = seconds * 1000000 + micros
  return at
}

/** For days from the 29th on. */
function hasDay(year: u32, month: u32, day: u32): bool {
  if (month == 2) return day == 29 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  return day <= 30 || (day == 31 && month != 4 && month != 6 && month != 9 && month != 11)
}

/** Days from 1970-01-01 in the Gregorian calendar; years begin in March here. */
function daysOf(year: i32, month: i32, day: i32): i32 {
  const years = month <= 2 ? year - 1 : year
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  return years * 365 + years / 4 - years / 100 + years / 400 + dayOfYear - 719468
}

/** Two digits as a number, or one above 99. */
function two(at: usize): u32 {
  const tens = <u32>load<u8>(at) - 0x30
  const ones = <u32>load<u8>(at, 1) - 0x30
  return tens > 9 || ones > 9 ? 100 : tens * 10 + ones
}

export function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - 0x30 <= 9
}
