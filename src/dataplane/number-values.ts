import { failure, isDigit, scanNumber, skipDigits } from './json-values.ts'
import { INTEGER_RANGES, type IntegerName } from './types.ts'

/**
 * Scanners of numbers: they return the place behind the number, or the complemented reasons of `json-values.ts`.
 */

const NOT_INTEGER = failure('not an integer')
const FRACTION = failure('a fraction or an exponent where an integer is needed')
const INTEGER_RANGE = failure('an integer beyond the range of its type')
const NOT_DECIMAL = failure('not a decimal number')
const EXPONENT = failure('an exponent in a decimal number')
const TOO_LARGE = failure('more digits before the point than the type holds')
const TOO_FINE = failure('more digits after the point than the type holds')
const NOT_NUMBER = failure('not a number')
const NUMBER_RANGE = failure('a number beyond the range of its type')

/** Digits that always fit a 64-bit integer. */
export const INT64_DIGITS = 18

/** The greatest magnitudes of an integer type as digits. */
export interface IntegerLimits {
  readonly max: Uint8Array
  readonly min: Uint8Array
  readonly digits: number
}

export function integerLimits(name: IntegerName): IntegerLimits {
  const [min, max] = INTEGER_RANGES[name]
  const maxDigits = Buffer.from(String(max))
  return { max: maxDigits, min: Buffer.from(String(-min)), digits: maxDigits.length }
}

export function scanInteger(bytes: Uint8Array, at: number, limits: IntegerLimits): number {
  const isNegative = bytes[at] === 0x2d
  const start = isNegative ? at + 1 : at
  const end = skipDigits(bytes, start)
  const count = end - start
  if (count === 0 || (count > 1 && bytes[start] === 0x30)) return NOT_INTEGER
  const next = bytes[end]!
  if (next === 0x2e || (next | 0x20) === 0x65) return FRACTION
  if (count < limits.digits && !isNegative) return end
  return isWithin(bytes, start, count, isNegative ? limits.min : limits.max) ? end : INTEGER_RANGE
}

function isWithin(bytes: Uint8Array, start: number, count: number, limit: Uint8Array): boolean {
  if (count !== limit.length) return count < limit.length
  for (let index = 0; index < count; index++) {
    const difference = bytes[start + index]! - limit[index]!
    if (difference !== 0) return difference < 0
  }
  return true
}

export function scanDecimal(bytes: Uint8Array, at: number, precision: number, scale: number): number {
  const start = bytes[at] === 0x2d ? at + 1 : at
  const point = skipDigits(bytes, start)
  const whole = point - start
  if (whole === 0 || (whole > 1 && bytes[start] === 0x30)) return NOT_DECIMAL
  if (whole > precision - scale && bytes[start] !== 0x30) return TOO_LARGE
  let end = point
  if (bytes[point] === 0x2e) {
    end = skipDigits(bytes, point + 1)
    if (end === point + 1) return NOT_DECIMAL
    // Zeros beyond the scale change nothing.
    for (let place = point + 1 + scale; place < end; place++) if (bytes[place] !== 0x30) return TOO_FINE
  }
  return (bytes[end]! | 0x20) === 0x65 ? EXPONENT : end
}

export function scanFloating(bytes: Uint8Array, at: number, isSingle: boolean): number {
  if (bytes[at] !== 0x2d && !isDigit(bytes[at])) return NOT_NUMBER
  const end = scanNumber(bytes, at)
  if (end < 0 || end - at <= 30) {
    if (end < 0) return end
    if (!hasExponent(bytes, at, end)) return end
  }
  const value = Number(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('latin1'))
  return Number.isFinite(isSingle ? Math.fround(value) : value) ? end : NUMBER_RANGE
}

function hasExponent(bytes: Uint8Array, at: number, end: number): boolean {
  for (let place = at; place < end; place++) if ((bytes[place]! | 0x20) === 0x65) return true
  return false
}
