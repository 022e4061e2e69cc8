import { INTEGER_RANGES, quoteName, type Column, type ColumnType } from '../dataplane/index.ts'
import { timestampText } from './micros-text.ts'

/*
 * How each column type looks in the rows of user functions:
 *
 *   tinyint … integer, utinyint … uinteger   number          date, time, uuid   text as DuckDB writes it
 *   bigint, hugeint and their unsigned ones  bigint          json               JSON text
 *   decimal                                  text            blob               Uint8Array
 *   float, double                            number          timestamp(0…6), timestamptz  bigint, microseconds
 *   boolean, varchar                         as they are     timestamp(7…9)     bigint, nanoseconds
 */

const SMALL_INTEGERS: ReadonlySet<string> = new Set([
  'tinyint',
  'smallint',
  'integer',
  'utinyint',
  'usmallint',
  'uinteger',
])

/** Seconds from 1970 to the years between which all stores agree on the text of moments. */
const YEAR_1 = -62_135_596_800n
const YEAR_10000 = 253_402_300_800n

/** A value that a column cannot take. Its message says what was expected, never the value. */
export class ValueFault extends Error {}

/** The SQL expression whose JSON text `readValue` understands: whatever JSON numbers would round travels as text. */
export function readableSql({ name, type }: Column): string {
  const column = quoteName(name)
  switch (type.kind) {
    case 'boolean':
    case 'varchar':
    case 'blob':
      return column
    case 'timestamp':
      return `CAST(${type.precision > 6 ? 'epoch_ns' : 'epoch_us'}(${column}) AS VARCHAR)`
    case 'timestamptz':
      return `CAST(epoch_us(${column}) AS VARCHAR)`
    default:
      return `CAST(${column} AS VARCHAR)`
  }
}

/** A value of `readableSql` as user functions see it. */
export function readValue(json: unknown, type: ColumnType): unknown {
  if (json === null || json === undefined) return null
  if (typeof json !== 'string') return json
  switch (type.kind) {
    case 'integer':
      return SMALL_INTEGERS.has(type.name) ? Number(json) : BigInt(json)
    case 'timestamp':
    case 'timestamptz':
      return BigInt(json)
    case 'float':
      return Math.fround(readNumber(json))
    case 'double':
      return readNumber(json)
    case 'blob':
      return new Uint8Array(Buffer.from(json, 'base64'))
    default:
      return json
  }
}

function readNumber(text: string): number {
  return text.endsWith('inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
}

/**
 * What a user function returned for a column, in the column's own form: whole numbers and bigints may stand for each
 * other where nothing is lost, a `Date` for a moment.
 *
 * @throws ValueFault when the column cannot hold it exactly.
 */
export function takeValue(value: unknown, { type, nullable }: Column): unknown {
  if (value === null || value === undefined) {
    if (nullable) return null
    throw new ValueFault('NULL in a column that must not be NULL')
  }
  switch (type.kind) {
    case 'boolean':
      return is(typeof value === 'boolean', 'a boolean') && value
    case 'integer':
      return takeInteger(value, type.name)
    case 'decimal':
      return takeDecimal(value, type.precision, type.scale)
    case 'float':
      return takeNumber(value, Math.fround)
    case 'double':
      return takeNumber(value, Number)
    case 'timestamp':
    case 'timestamptz':
      return takeMoment(value, type)
    case 'blob':
      return is(value instanceof Uint8Array, 'a Uint8Array') && value
    case 'json':
      is(typeof value === 'string' && value.isWellFormed() && isJson(value), 'JSON text')
      // In JSON rows the document `null` and NULL are one.
      return (value as string).trim() === 'null' ? takeValue(null, { name: '', type, nullable }) : value
    case 'varchar':
    case 'uuid':
    case 'date':
    case 'time':
      return is(typeof value === 'string' && value.isWellFormed(), 'well-formed text') && value
  }
}

/** A value in its column's form as JSON text that the data plane reads exactly. */
export function writeValue(value: unknown, { type }: Column): string {
  if (value === null || value === undefined) return 'null'
  switch (type.kind) {
    case 'integer':
    case 'boolean':
      return String(value)
    case 'timestamp':
      return `"${timestampText(value as bigint, type.precision > 6 ? 9 : 6)}"`
    case 'timestamptz':
      return `"${timestampText(value as bigint, 6)}+00"`
    case 'blob':
      return `"${Buffer.from(value as Uint8Array).toString('base64')}"`
    case 'float':
    case 'double':
      return Object.is(value, -0) ? '-0.0' : String(value)
    case 'json':
      // Line ends can only be white space: inside of strings JSON escapes them.
      return (value as string).replaceAll(/[\r\n]/g, ' ')
    default:
      return JSON.stringify(value)
  }
}

function is(condition: boolean, expected: string): true {
  if (!condition) throw new ValueFault(`expected ${expected}`)
  return true
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** JSON, in which rows go on, has neither NaN nor infinite numbers. */
function takeNumber(value: unknown, round: (value: number) => number): number {
  is(typeof value === 'number' && Number.isFinite(round(value)), 'a finite number')
  return round(value as number)
}

function takeInteger(value: unknown, name: keyof typeof INTEGER_RANGES): number | bigint {
  is(typeof value === 'bigint' || Number.isSafeInteger(value), 'a bigint or a whole number')
  const exact = BigInt(value as bigint | number)
  const [least, greatest] = INTEGER_RANGES[name]
  is(exact >= least && exact <= greatest, `a value in the range of ${name}`)
  return SMALL_INTEGERS.has(name) ? Number(exact) : exact
}

function takeDecimal(value: unknown, precision: number, scale: number): string {
  is(
    typeof value === 'string' || typeof value === 'bigint' || Number.isSafeInteger(value),
    'decimal text, a bigint or a whole number',
  )
  const match = /^(-?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(String(value))
  const [, sign = '', whole = '', fraction = ''] = match ?? []
  is(match !== null && /\d/.test(String(value)), 'decimal text such as -12.50')
  is(fraction.length <= scale, `at most ${scale} digits behind the point`)
  is(whole.length <= precision - scale, `at most ${precision - scale} digits before the point`)
  const digits = `${whole === '' ? '0' : whole}${scale === 0 ? '' : `.${fraction.padEnd(scale, '0')}`}`
  return /[1-9]/.test(digits) ? sign + digits : digits
}

function takeMoment(value: unknown, type: ColumnType & { kind: 'timestamp' | 'timestamptz' }): bigint {
  const precision = type.kind === 'timestamp' ? type.precision : 6
  const digits = precision > 6 ? 9 : 6
  const unit = digits === 9 ? 'nanoseconds' : 'microseconds'
  const isDate = value instanceof Date && !Number.isNaN(value.getTime())
  is(typeof value === 'bigint' || isDate, `${unit} since 1970 as a bigint, or a Date`)
  const parts = isDate ? BigInt(value.getTime()) * (digits === 9 ? 1_000_000n : 1000n) : (value as bigint)
  const second = digits === 9 ? 1_000_000_000n : 1_000_000n
  is(parts >= YEAR_1 * second && parts < YEAR_10000 * second, 'a moment in the years 1 to 9999')
  is(
    precision === digits || parts % 10n ** BigInt(digits - precision) === 0n,
    `no more than ${precision} digits of a second's fraction`,
  )
  return parts
}
