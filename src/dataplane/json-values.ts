/**
 * Scanners of single JSON values. Each takes the bytes and the place of the value's first byte and returns the place
 * behind it, or a negative number: the complement of an index into `REASONS`. Every piece ends in a newline, which no
 * value may hold, so nothing here needs to look at the length.
 */
export const REASONS = [
  'not a JSON object on a line of its own',
  'broken JSON',
  'a control character inside a string',
  'a broken escape inside a string',
  'half of a surrogate pair in an escape',
  'the key occurs twice',
  'NULL in a column that must not be NULL',
  'not an integer',
  'a fraction or an exponent where an integer is needed',
  'an integer beyond the range of its type',
  'not a decimal number',
  'an exponent in a decimal number',
  'more digits before the point than the type holds',
  'more digits after the point than the type holds',
  'not a number',
  'a number beyond the range of its type',
  'not true or false',
  'not a string',
  'not a date (YYYY-MM-DD, years 0001 to 9999)',
  'not a time (HH:MM:SS, with at most 6 digits of a second)',
  'not a timestamp (YYYY-MM-DD HH:MM:SS)',
  'more digits of a second than the type holds',
  'a zone offset in a timestamp without a zone (use timestamptz)',
  'no zone offset in a timestamptz',
  'not a UUID',
  'not base64',
  'invalid UTF-8',
  'nested deeper than 64 levels',
  'longer than 16 MiB',
  'longer than 2 MiB',
  'not as many fields as the schema has columns',
  'a quote that is not closed, or text behind a closed one',
  'not a value of the column’s type',
] as const

export type Reason = (typeof REASONS)[number]

/** The negative number for a reason. */
export function failure(reason: Reason): number {
  return ~REASONS.indexOf(reason)
}

const BROKEN = failure('broken JSON')
const CONTROL = failure('a control character inside a string')
const ESCAPE = failure('a broken escape inside a string')
const SURROGATE = failure('half of a surrogate pair in an escape')
const NOT_STRING = failure('not a string')
const NOT_BOOLEAN = failure('not true or false')
const TOO_DEEP = failure('nested deeper than 64 levels')

const QUOTE = 0x22
const BACKSLASH = 0x5c
const DEPTH_MAX = 64

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

/** Spaces inside a row: a newline is none, it ends the row. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let place = at
  for (let byte = bytes[place]; byte === 0x20 || byte === 0x09 || byte === 0x0d; byte = bytes[place]) place++
  return place
}

export function scanString(bytes: Uint8Array, at: number): number {
  return bytes[at] === QUOTE ? scanStringRest(bytes, at + 1) : NOT_STRING
}

/** `at` is inside of a string, not in the middle of an escape. */
export function scanStringRest(bytes: Uint8Array, at: number): number {
  let place = at
  for (;;) {
    const byte = bytes[place]!
    if (byte < 0x23) {
      if (byte === QUOTE) return place + 1
      if (byte < 0x20) return CONTROL
      place++
    } else if (byte === BACKSLASH) {
      place = scanEscape(bytes, place + 1)
      if (place < 0) return place
    } else place++
  }
}

/** `at` is behind the backslash. */
function scanEscape(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 1
    case 0x75: // u
      return scanUnicodeEscape(bytes, at + 1)
    default:
      return ESCAPE
  }
}

function scanUnicodeEscape(bytes: Uint8Array, at: number): number {
  const unit = hex4(bytes, at)
  if (unit < 0) return ESCAPE
  if (unit >= 0xdc00 && unit <= 0xdfff) return SURROGATE
  if (unit < 0xd800 || unit > 0xdbff) return at + 4
  if (bytes[at + 4] !== BACKSLASH || bytes[at + 5] !== 0x75) return SURROGATE
  const low = hex4(bytes, at + 6)
  if (low < 0) return ESCAPE
  return low >= 0xdc00 && low <= 0xdfff ? at + 10 : SURROGATE
}

function hex4(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const digit = hexDigit(bytes[at + index]!)
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

export function scanBoolean(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0x74) return isWord(bytes, at, TRUE) ? at + 4 : NOT_BOOLEAN
  return isWord(bytes, at, FALSE) ? at + 5 : NOT_BOOLEAN
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

export function isNull(bytes: Uint8Array, at: number): boolean {
  return isWord(bytes, at, NULL)
}

function isWord(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index++) if (bytes[at + index] !== word[index]) return false
  return true
}

/** A number by JSON's grammar, whatever its size. */
export function scanNumber(bytes: Uint8Array, at: number): number {
  let place = bytes[at] === 0x2d ? at + 1 : at
  const first = bytes[place]
  const digitsEnd = skipDigits(bytes, place)
  if (digitsEnd === place || (first === 0x30 && digitsEnd > place + 1)) return BROKEN
  place = digitsEnd
  if (bytes[place] === 0x2e) {
    const end = skipDigits(bytes, place + 1)
    if (end === place + 1) return BROKEN
    place = end
  }
  if ((bytes[place]! | 0x20) !== 0x65) return place
  place++
  if (bytes[place] === 0x2b || bytes[place] === 0x2d) place++
  const end = skipDigits(bytes, place)
  return end === place ? BROKEN : end
}

export function skipDigits(bytes: Uint8Array, at: number): number {
  let place = at
  while ((bytes[place]! - 0x30) >>> 0 <= 9) place++
  return place
}

/** Any value: for columns of type json, and for keys that no column asks for. */
export function scanValue(bytes: Uint8Array, at: number, depth = 0): number {
  switch (bytes[at]) {
    case QUOTE:
      return scanString(bytes, at)
    case 0x7b: // {
    case 0x5b: // [
      return depth === DEPTH_MAX ? TOO_DEEP : scanContainer(bytes, at, depth)
    case 0x74: // t
    case 0x66: // f
      return scanBoolean(bytes, at) < 0 ? BROKEN : scanBoolean(bytes, at)
    case 0x6e: // n
      return isNull(bytes, at) ? at + 4 : BROKEN
    default:
      return scanNumber(bytes, at)
  }
}

function scanContainer(bytes: Uint8Array, at: number, depth: number): number {
  const isObject = bytes[at] === 0x7b
  const close = isObject ? 0x7d : 0x5d
  let place = skipSpace(bytes, at + 1)
  if (bytes[place] === close) return place + 1
  for (;;) {
    if (isObject) {
      place = scanString(bytes, place)
      if (place < 0) return place === NOT_STRING ? BROKEN : place
      place = skipSpace(bytes, place)
      if (bytes[place] !== 0x3a) return BROKEN
      place = skipSpace(bytes, place + 1)
    }
    place = scanValue(bytes, place, depth + 1)
    if (place < 0) return place
    place = skipSpace(bytes, place)
    if (bytes[place] === close) return place + 1
    if (bytes[place] !== 0x2c) return BROKEN
    place = skipSpace(bytes, place + 1)
  }
}
