import { putAscii, putPadded, putWhole } from './json-text.ts'

const DIGITS = 9
/** Bytes of a group with fewer than nine digits (strings/decimal.cc, `dig2bytes`). */
const BYTES_OF = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale
  return (
    Math.floor(whole / DIGITS) * 4 +
    BYTES_OF[whole % DIGITS]! +
    Math.floor(scale / DIGITS) * 4 +
    BYTES_OF[scale % DIGITS]!
  )
}

/**
 * Writes a DECIMAL as digits, all of its scale too. Stored are groups of nine digits in four big-endian bytes, shorter
 * groups at both ends; the highest bit is inverted, and for negative numbers all others are as well.
 */
export function putDecimal(
  out: Buffer,
  start: number,
  bytes: Buffer,
  from: number,
  { precision, scale }: { readonly precision: number; readonly scale: number },
): number {
  const isNegative = (bytes[from]! & 0x80) === 0
  const mask = isNegative ? 0xff : 0
  const whole = precision - scale
  let to = start
  if (isNegative) out[to++] = 0x2d
  let at = from
  let hasDigits = false
  let flip = 0x80
  const group = (digits: number): number => {
    const end = at + BYTES_OF[digits]!
    let value = 0
    for (; at < end; at++) {
      value = value * 256 + ((bytes[at]! ^ mask ^ flip) & 0xff)
      flip = 0
    }
    return value
  }
  for (let left = whole; left > 0;) {
    const digits = left % DIGITS === 0 ? DIGITS : left % DIGITS
    const value = group(digits)
    left -= digits
    if (hasDigits) to = putPadded(out, to, value, digits)
    else if (value > 0) {
      to = putWhole(out, to, value)
      hasDigits = true
    }
  }
  if (!hasDigits) to = putAscii(out, to, '0')
  if (scale === 0) return to
  out[to++] = 0x2e
  for (let left = scale; left > 0;) {
    const digits = Math.min(left, DIGITS)
    to = putPadded(out, to, group(digits), digits)
    left -= digits
  }
  return to
}
