import { MillraceError } from '../../core/errors.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const HEX = Buffer.from('0123456789abcdef')
const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const NULL = Buffer.from('null')
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
/** Letters of the escapes of control characters that have one: \b \t \n \f \r. */
const SHORT: Readonly<Record<number, number>> = { 8: 0x62, 9: 0x74, 10: 0x6e, 12: 0x66, 13: 0x72 }

/** No byte of a value becomes more than these. */
export const ESCAPED_BYTES_MAX = 6

/*
 * Writers of JSON values into a buffer that has room. Each returns the place behind what it wrote; lines never hold a
 * line feed.
 */

export function putBytes(out: Buffer, at: number, bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index++) out[at + index] = bytes[index]!
  return at + bytes.length
}

export function putNull(out: Buffer, at: number): number {
  return putBytes(out, at, NULL)
}

export function putBoolean(out: Buffer, at: number, value: boolean): number {
  return putBytes(out, at, value ? TRUE : FALSE)
}

/** One byte of a text: quotes, backslashes and control characters are escaped. */
export function putTextByte(out: Buffer, at: number, byte: number): number {
  if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
    out[at] = byte
    return at + 1
  }
  out[at] = BACKSLASH
  const letter = byte < 0x20 ? SHORT[byte] : byte
  if (letter !== undefined) {
    out[at + 1] = letter
    return at + 2
  }
  out[at + 1] = 0x75
  out[at + 2] = 0x30
  out[at + 3] = 0x30
  out[at + 4] = HEX[byte >> 4]!
  out[at + 5] = HEX[byte & 15]!
  return at + 6
}

/** A text between quotes. */
export function putText(out: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  out[at] = QUOTE
  let to = at + 1
  for (let from = start; from < end; from++) {
    const byte = bytes[from]!
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) out[to++] = byte
    else to = putTextByte(out, to, byte)
  }
  out[to] = QUOTE
  return to + 1
}

/** A document that is put in as it is; line ends between its values become spaces. */
export function putDocument(out: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  let to = at
  for (let from = start; from < end; from++) {
    const byte = bytes[from]!
    out[to++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte
  }
  return to
}

/** Base64 with padding, between quotes. `byteAt` gives the bytes by their number. */
export function putBase64(out: Buffer, at: number, length: number, byteAt: (index: number) => number): number {
  out[at] = QUOTE
  let to = at + 1
  for (let index = 0; index < length; index += 3) {
    const left = length - index
    const one = byteAt(index)
    const two = left > 1 ? byteAt(index + 1) : 0
    const three = left > 2 ? byteAt(index + 2) : 0
    out[to] = BASE64[one >> 2]!
    out[to + 1] = BASE64[((one & 3) << 4) | (two >> 4)]!
    out[to + 2] = left > 1 ? BASE64[((two & 15) << 2) | (three >> 6)]! : 0x3d
    out[to + 3] = left > 2 ? BASE64[three & 63]! : 0x3d
    to += 4
  }
  out[to] = QUOTE
  return to + 1
}

/** What JSON has no number for: NaN, infinity. */
export function isNumberText(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start]!
  const last = bytes[end - 1]!
  const isStart = (first >= 0x30 && first <= 0x39) || (first === 0x2d && end > start + 1 && bytes[start + 1]! <= 0x39)
  return end > start && isStart && last >= 0x30 && last <= 0x39
}

/**
 * A date, a time or both, of the years 1 to 9999: begins and ends in a digit, and no month or day is zero. Infinity,
 * years before 1 and dates such as 2024-00-00 are none.
 */
export function isMomentText(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start]!
  const last = bytes[end - 1]!
  if (end - start < 8 || first < 0x30 || first > 0x39 || last < 0x30 || last > 0x39) return false
  if (bytes[start + 2] === 0x3a) return true
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d) return false
  const isZero = (at: number): boolean => bytes[at] === 0x30 && bytes[at + 1] === 0x30
  return !isZero(start + 5) && !isZero(start + 8)
}

/** A value that cannot be carried exactly. The caller adds where it stands. */
export function cannotCarry(column: string, reason: string): MillraceError {
  return new MillraceError(`column ${column}: ${reason}`, { code: 'POISON', detail: { column, reason } })
}
