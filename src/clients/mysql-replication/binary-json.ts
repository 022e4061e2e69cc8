import { MillraceError } from '../../core/errors.ts'
import { TYPE } from './column-types.ts'
import { decimalBytes, putDecimal } from './decimal.ts'
import { putDate } from './temporal.ts'

/*
 * MySQL's binary JSON as the text that the server itself would print (sql-common/json_binary.h has the layout): one byte of
 * type, then for objects and arrays the number of members, the size in bytes, and an entry for each key and value, whose
 * offsets count from the first byte of that object. "Large" ones have four bytes where small ones have two.
 */

/** What a value is. */
export const JSON_KIND = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  string: 12,
  opaque: 15,
} as const

/** The server lets nobody nest deeper (sql-common/json_dom.h, `JSON_DOCUMENT_MAX_DEPTH`). */
const DEPTH_MAX = 100

/** An empty value stands for JSON null: what the server writes when it had to put something (sql/field.cc). */
export function jsonDocumentText(bytes: Buffer): string {
  return bytes.length === 0 ? 'null' : valueText(bytes.readUInt8(0), bytes, 1, 0)
}

function valueText(kind: number, bytes: Buffer, at: number, depth: number): string {
  if (depth > DEPTH_MAX) throw broken('is nested too deep')
  switch (kind) {
    case JSON_KIND.smallObject:
    case JSON_KIND.largeObject:
      return objectText(bytes, at, kind === JSON_KIND.largeObject, depth)
    case JSON_KIND.smallArray:
    case JSON_KIND.largeArray:
      return arrayText(bytes, at, kind === JSON_KIND.largeArray, depth)
    case JSON_KIND.literal:
      return literalText(bytes.readUInt8(at))
    case JSON_KIND.int16:
      return String(bytes.readInt16LE(at))
    case JSON_KIND.uint16:
      return String(bytes.readUInt16LE(at))
    case JSON_KIND.int32:
      return String(bytes.readInt32LE(at))
    case JSON_KIND.uint32:
      return String(bytes.readUInt32LE(at))
    case JSON_KIND.int64:
      return String(bytes.readBigInt64LE(at))
    case JSON_KIND.uint64:
      return String(bytes.readBigUInt64LE(at))
    case JSON_KIND.double:
      return doubleText(bytes.readDoubleLE(at))
    case JSON_KIND.string: {
      const [length, start] = variableLength(bytes, at)
      return quoted(bytes.toString('utf8', start, start + length))
    }
    case JSON_KIND.opaque:
      return opaqueText(bytes, at)
    default:
      throw broken(`has a value of the unknown kind ${kind}`)
  }
}

function literalText(code: number): string {
  const text = ['null', 'true', 'false'][code]
  if (text === undefined) throw broken(`has the unknown literal ${code}`)
  return text
}

function arrayText(bytes: Buffer, at: number, isLarge: boolean, depth: number): string {
  const count = uint(bytes, at, isLarge)
  const entries = at + (isLarge ? 8 : 4)
  const parts = Array.from({ length: count }, (_, index) =>
    entryText(bytes, at, entries + index * (isLarge ? 5 : 3), isLarge, depth),
  )
  return `[${parts.join(', ')}]`
}

function objectText(bytes: Buffer, at: number, isLarge: boolean, depth: number): string {
  const count = uint(bytes, at, isLarge)
  const keys = at + (isLarge ? 8 : 4)
  const values = keys + count * (isLarge ? 6 : 4)
  const parts = Array.from({ length: count }, (_, index) => {
    const key = keys + index * (isLarge ? 6 : 4)
    const start = at + uint(bytes, key, isLarge)
    const name = bytes.toString('utf8', start, start + bytes.readUInt16LE(key + (isLarge ? 4 : 2)))
    return `${quoted(name)}: ${entryText(bytes, at, values + index * (isLarge ? 5 : 3), isLarge, depth)}`
  })
  return `{${parts.join(', ')}}`
}

/** Small values stand in the entry itself, others where its offset says. */
function entryText(bytes: Buffer, base: number, entry: number, isLarge: boolean, depth: number): string {
  const kind = bytes.readUInt8(entry)
  const isInline =
    kind === JSON_KIND.literal ||
    kind === JSON_KIND.int16 ||
    kind === JSON_KIND.uint16 ||
    (isLarge && (kind === JSON_KIND.int32 || kind === JSON_KIND.uint32))
  return valueText(kind, bytes, isInline ? entry + 1 : base + uint(bytes, entry + 1, isLarge), depth + 1)
}

function uint(bytes: Buffer, at: number, isLarge: boolean): number {
  return isLarge ? bytes.readUInt32LE(at) : bytes.readUInt16LE(at)
}

/** Seven bits to a byte, the lowest first; the highest bit says that more follow. */
export function variableLength(bytes: Buffer, at: number): readonly [length: number, next: number] {
  let length = 0
  for (let index = 0; index < 5; index++) {
    const byte = bytes.readUInt8(at + index)
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return [length, at + index + 1]
  }
  throw broken('has a length without an end')
}

/** Values of SQL types that JSON does not have: decimals are numbers, moments are texts, the rest is base64. */
function opaqueText(bytes: Buffer, at: number): string {
  const type = bytes.readUInt8(at)
  const [length, start] = variableLength(bytes, at + 1)
  switch (type) {
    case TYPE.newdecimal: {
      const precision = bytes.readUInt8(start)
      const scale = bytes.readUInt8(start + 1)
      if (length < 2 + decimalBytes(precision, scale)) throw broken('has a decimal that is too short')
      const out = Buffer.alloc(precision + 4)
      return out.toString('latin1', 0, putDecimal(out, 0, bytes, start + 2, { precision, scale }))
    }
    case TYPE.date:
    case TYPE.datetime:
    case TYPE.timestamp:
      return `"${packedMomentText(bytes.readBigInt64LE(start), type === TYPE.date)}"`
    case TYPE.time:
      return `"${packedTimeText(bytes.readBigInt64LE(start))}"`
    default:
      return `"base64:type${type}:${bytes.toString('base64', start, start + length)}"`
  }
}

/** Microseconds in 24 bits, over seconds 6, minutes 6, hours 5, day 5, year * 13 + month. */
function packedMomentText(packed: bigint, isDate: boolean): string {
  const whole = Number(packed >> 24n)
  const yearMonth = Math.floor(whole / 2 ** 22)
  const out = Buffer.alloc(10)
  putDate(out, 0, Math.floor(yearMonth / 13), yearMonth % 13, Math.floor(whole / 2 ** 17) % 32)
  const date = out.toString('latin1')
  return isDate ? date : `${date} ${clockText(whole % 2 ** 17, Number(packed & 0xff_ff_ffn))}`
}

function packedTimeText(packed: bigint): string {
  const size = packed < 0n ? -packed : packed
  return `${packed < 0n ? '-' : ''}${clockText(Number(size >> 24n) % 2 ** 22, Number(size & 0xff_ff_ffn))}`
}

function clockText(whole: number, micros: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = `${two(Math.floor(whole / 4096))}:${two(Math.floor(whole / 64) % 64)}:${two(whole % 64)}`
  return `${time}.${String(micros).padStart(6, '0')}`
}

/** Doubles keep a point, so that they are told from integers; large and small ones have an exponent, as in the server. */
function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  const plain = String(value)
  if (size >= 1e15 || (size > 0 && size < 1e-15)) return value.toExponential().replace('e+', 'e')
  if (plain.includes('e')) return fixedText(value)
  return plain.includes('.') ? plain : `${plain}.0`
}

/** Digits without an exponent where JavaScript would use one (below 1e-6). */
function fixedText(value: number): string {
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  return `${value < 0 ? '-' : ''}0.${'0'.repeat(-Number(exponent) - 1)}${digits}`
}

/** As the server escapes: the short forms, and the code of what else is below a space. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function broken(what: string): MillraceError {
  return new MillraceError(`reading a JSON column from the binlog: the document ${what}`, { code: 'DECODE' })
}
