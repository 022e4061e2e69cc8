import { NumberText, parseExact, scalarText, stringifyExact } from './exact-json.ts'
import type { EmulatorColumn } from './options.ts'

/** The server cannot convert the value: strict mode filters the row, otherwise NULL is stored. */
export const UNCONVERTIBLE: unique symbol = Symbol('unconvertible')
/** The value is refused in every mode, and the row with it. */
export const REFUSED: unique symbol = Symbol('refused')

/** The stored value as JSON text, or why there is none. */
export type Encoded = string | typeof UNCONVERTIBLE | typeof REFUSED

export type ColumnKind = 'integer' | 'boolean' | 'float' | 'text'

export interface ColumnCodec {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly kind: ColumnKind
  /** `value` is neither null nor undefined. */
  encode(value: unknown): Encoded
}

const INTEGER_BITS: Readonly<Record<string, number>> = {
  TINYINT: 8,
  SMALLINT: 16,
  INT: 32,
  INTEGER: 32,
  BIGINT: 64,
  LARGEINT: 128,
}

/** Bytes of a text type without a length. */
const TEXT_BYTES_MAX = 65_533
const DORIS_STRING_BYTES_MAX = 1_048_576

export type Dialect = 'starrocks' | 'doris'

/** Makes the checker of one column from its SQL type. */
export function columnCodec(column: EmulatorColumn, dialect: Dialect): ColumnCodec {
  const match = /^\s*([A-Za-z0-9_]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?/.exec(column.type)
  const name = (match?.[1] ?? 'STRING').toUpperCase()
  const first = match?.[2] === undefined ? undefined : Number(match[2])
  const second = match?.[3] === undefined ? undefined : Number(match[3])
  const [kind, encode] = encoderOf(name, first, second, dialect)
  return { name: column.name, type: column.type, nullable: column.nullable ?? true, kind, encode }
}

type Encoder = (value: unknown) => Encoded

function encoderOf(
  name: string,
  first: number | undefined,
  second: number | undefined,
  dialect: Dialect,
): [ColumnKind, Encoder] {
  const bits = INTEGER_BITS[name]
  if (bits !== undefined) return ['integer', integerEncoder(bits)]
  if (name.startsWith('DECIMAL')) return ['text', decimalEncoder(first ?? 10, second ?? 0)]
  switch (name) {
    case 'BOOLEAN':
    case 'BOOL':
      return ['boolean', encodeBoolean]
    case 'FLOAT':
      return ['float', floatEncoder(Math.fround)]
    case 'DOUBLE':
      return ['float', floatEncoder((value) => value)]
    case 'DATE':
    case 'DATEV2':
      return ['text', encodeDate]
    case 'DATETIME':
    case 'DATETIMEV2':
      return ['text', datetimeEncoder(dialect === 'starrocks' ? 6 : (first ?? 0), dialect === 'doris')]
    case 'JSON':
    case 'JSONB':
    case 'VARIANT':
    case 'ARRAY':
    case 'MAP':
    case 'STRUCT':
      return ['text', encodeJson]
    default:
      return ['text', textEncoder(first ?? (dialect === 'doris' ? DORIS_STRING_BYTES_MAX : TEXT_BYTES_MAX))]
  }
}

function integerEncoder(bits: number): Encoder {
  const max = (1n << BigInt(bits - 1)) - 1n
  const min = -max - 1n
  const smallMax = bits < 53 ? Number(max) : Number.MAX_SAFE_INTEGER
  return (value) => {
    if (typeof value === 'number') {
      return Number.isInteger(value) && value <= smallMax && value >= -smallMax ? String(value) : viaText(String(value))
    }
    if (typeof value === 'boolean') return value ? '1' : '0'
    return typeof value === 'string' || value instanceof NumberText ? viaText(scalarText(value).trim()) : UNCONVERTIBLE
  }

  function viaText(text: string): Encoded {
    if (!/^[+-]?\d{1,40}$/.test(text)) return UNCONVERTIBLE
    const integer = BigInt(text.startsWith('+') ? text.slice(1) : text)
    return integer > max || integer < min ? UNCONVERTIBLE : integer.toString()
  }
}

function encodeBoolean(value: unknown): Encoded {
  const text = scalarText(value).trim().toLowerCase()
  if (text === 'true' || text === '1') return 'true'
  return text === 'false' || text === '0' ? 'false' : UNCONVERTIBLE
}

function floatEncoder(round: (value: number) => number): Encoder {
  return (value) => {
    const text = scalarText(value).trim()
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return UNCONVERTIBLE
    const number = round(Number(text))
    return Number.isFinite(number) ? String(number) : UNCONVERTIBLE
  }
}

/** Up to 15 digits without an exponent: no arithmetic is needed. */
const PLAIN_DECIMAL = /^(-?)(\d{1,15})(?:\.(\d{1,15}))?$/
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

function decimalEncoder(precision: number, scale: number): Encoder {
  const limit = 10n ** BigInt(precision)
  return (value) => {
    if (typeof value === 'boolean' || (typeof value === 'object' && !(value instanceof NumberText)))
      return UNCONVERTIBLE
    const text = scalarText(value).trim()
    const plain = PLAIN_DECIMAL.exec(text)
    if (plain !== null) {
      const [, sign = '', whole = '', fraction = ''] = plain
      const isZero = sign !== '' && Number(text) === 0
      if (fraction.length <= scale && whole.length <= precision - scale && (whole[0] !== '0' || whole === '0')) {
        const minus = isZero ? '' : sign
        return scale === 0 ? `"${minus}${whole}"` : `"${minus}${whole}.${fraction.padEnd(scale, '0')}"`
      }
    }
    const match = DECIMAL.exec(text)
    if (match === null) return UNCONVERTIBLE
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
    if (whole === '' && fraction === '') return UNCONVERTIBLE
    // The value is digits × 10^-places; bring it to `scale` places, rounding half away from zero.
    const places = fraction.length - Number(exponent)
    let unscaled = BigInt(whole + fraction)
    if (places <= scale) unscaled *= 10n ** BigInt(scale - places)
    else {
      const divisor = 10n ** BigInt(places - scale)
      unscaled = (unscaled + divisor / 2n) / divisor
    }
    if (unscaled >= limit) return UNCONVERTIBLE
    const digits = unscaled.toString().padStart(scale + 1, '0')
    const rounded = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
    return sign === '-' && unscaled !== 0n ? `"-${rounded}"` : `"${rounded}"`
  }
}

const DATE = /^(\d{4})-(\d{1,2})-(\d{1,2})$|^(\d{4})(\d{2})(\d{2})$/
const DATETIME = /^(\d{4}-\d{1,2}-\d{1,2}|\d{8})(?:[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?$/

function dateText(text: string): string | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  const year = match[1] ?? match[4] ?? ''
  const month = Number(match[2] ?? match[5])
  const day = Number(match[3] ?? match[6])
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(Number(year), month)) return undefined
  return `${year}-${two(month)}-${two(day)}`
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function encodeDate(value: unknown): Encoded {
  const text = scalarText(value).trim()
  const date = dateText(DATETIME.exec(text)?.[1] ?? text)
  return date === undefined ? UNCONVERTIBLE : `"${date}"`
}

/** A DATETIME without a length has microseconds in StarRocks and whole seconds in Doris, which rounds. */
function datetimeEncoder(scale: number, isAlwaysPadded: boolean): Encoder {
  return (value) => {
    const match = DATETIME.exec(scalarText(value).trim())
    if (match === null) return UNCONVERTIBLE
    const [, day = '', hours = '0', minutes = '0', seconds = '0', fraction = ''] = match
    const date = dateText(day)
    if (date === undefined || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return UNCONVERTIBLE
    let whole = `${date} ${two(Number(hours))}:${two(Number(minutes))}:${two(Number(seconds))}`
    let digits = fraction.padEnd(scale, '0').slice(0, scale)
    if (isAlwaysPadded && (fraction[scale] ?? '0') >= '5') [whole, digits] = roundUp(whole, digits)
    if (scale === 0 || (!isAlwaysPadded && /^0*$/.test(digits))) return `"${whole}"`
    return `"${whole}.${digits}"`
  }
}

function roundUp(whole: string, digits: string): [string, string] {
  const next = (BigInt(`1${digits}`) + 1n).toString()
  if (!next.startsWith('2')) return [whole, next.slice(1)]
  const later = new Date(`${whole.replace(' ', 'T')}Z`).getTime() + 1000
  return [new Date(later).toISOString().slice(0, 19).replace('T', ' '), next.slice(1)]
}

function encodeJson(value: unknown): Encoded {
  if (typeof value !== 'string') return JSON.stringify(stringifyExact(value))
  try {
    return JSON.stringify(stringifyExact(parseExact(value)))
  } catch {
    return UNCONVERTIBLE
  }
}

function textEncoder(bytesMax: number): Encoder {
  return (value) => {
    const text = scalarText(value)
    // A UTF-16 unit takes at most three bytes of UTF-8: only long texts need counting.
    if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) return REFUSED
    return JSON.stringify(text)
  }
}
