import { integerLimits } from './number-values.ts'
import { scanQuoted } from './text-values.ts'
import type { Column, ColumnType } from './types.ts'

/* Kinds of values and flags, as wasm/json-rows.ts has them. */
const TEXT = 1
const NUMBER = 2
const MOMENT = 3
const DIGITS = 4
const BOOLEAN = 5
const ANY = 6
const END = 7
const NULLABLE = 1
const SIGNED = 2
const PLAIN = 4

/** How a column's values are taken. */
export interface Taking {
  readonly kind: number
  readonly digits: number
  readonly scale: number
  readonly flags: number
  /** Text that has to be a value of this type. */
  readonly checked: ColumnType | undefined
}

/** Whether the values are 64-bit numbers, not texts. */
export function isFixed({ kind }: Taking): boolean {
  return kind === NUMBER || kind === MOMENT
}

/** For keys that no column asks for. */
export const IGNORING: Taking = { kind: ANY, digits: 0, scale: 0, flags: NULLABLE, checked: undefined }
/** For the end of a row. */
export const FINISHING: Taking = { ...IGNORING, kind: END }

/** Digits of a floating number that is surely finite, and whose text is short enough for the scanner of rows. */
const FLOATING_DIGITS = 14
const INT64_DIGITS = 18

/** Undefined when the type has no short way. */
export function takingOf({ type, nullable }: Column): Taking | undefined {
  const flags = nullable ? NULLABLE : 0
  const plain = { digits: 0, scale: 0, flags, checked: undefined }
  switch (type.kind) {
    case 'varchar':
      return { ...plain, kind: TEXT }
    case 'boolean':
      return { ...plain, kind: BOOLEAN }
    case 'integer': {
      const digits = integerLimits(type.name).digits - 1
      const signed = type.name.startsWith('u') ? flags : flags | SIGNED
      const isLarge = type.name === 'ubigint' || type.name === 'hugeint' || type.name === 'uhugeint'
      return { ...plain, kind: isLarge ? DIGITS : NUMBER, digits, flags: signed }
    }
    case 'decimal': {
      const { precision, scale } = type
      const kind = precision > INT64_DIGITS ? DIGITS : NUMBER
      return { ...plain, kind, digits: precision - scale, scale, flags: flags | SIGNED }
    }
    case 'float':
    case 'double':
      return { ...plain, kind: DIGITS, digits: FLOATING_DIGITS, scale: FLOATING_DIGITS, flags: flags | SIGNED }
    case 'timestamp':
      if (type.precision <= 6) return { ...plain, kind: MOMENT, scale: type.precision }
      return { ...plain, kind: TEXT, flags: flags | PLAIN, checked: type }
    case 'timestamptz':
    case 'date':
    case 'time':
    case 'uuid':
    case 'blob':
      return { ...plain, kind: TEXT, flags: flags | PLAIN, checked: type }
    case 'json':
      return undefined
  }
}

/** Whether all texts of a page are values of a type: each has its length in four bytes in front of it. */
export function areAll(type: ColumnType, bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to;) {
    const start = at + 4
    at = start + bytes.readUInt32LE(at)
    if (scanQuoted(bytes, start, type) !== at) return false
  }
  return true
}
