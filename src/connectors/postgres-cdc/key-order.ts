import { quoteName, quoteText, type KeyColumn } from '../../clients/postgres-replication/index.ts'
import type { KeyText } from './split.ts'

/** Less than 0 when the first key comes before the second one; a key with fewer columns is compared by those. */
export type CompareKeys = (one: KeyText, other: KeyText) => number

type CompareTexts = (one: string, other: string) => number

/** The order in which keys are read, here and on the server. Undefined where there is no key. */
export function keyOrder(key: readonly KeyColumn[]): CompareKeys | undefined {
  if (key.length === 0) return undefined
  const compares = key.map((column) => ownOrder(column) ?? byBytes)
  return (one, other) => {
    for (let index = 0; index < Math.min(one.length, other.length); index++) {
      const order = compares[index]?.(one[index] ?? '', other[index] ?? '') ?? 0
      if (order !== 0) return order
    }
    return 0
  }
}

/** Whether the server sorts this column itself as we do, so that the index of the key serves for ranges. */
export function hasOwnOrder(column: KeyColumn): boolean {
  return ownOrder(column) !== undefined
}

/**
 * What to sort a column by. Where the server's own order cannot be told from outside, as with collations, it is the bytes
 * of the text that it prints: `format` and not a cast, which for some types prints something else.
 */
export function orderedBy(column: KeyColumn): string {
  const name = quoteName(column.name)
  return hasOwnOrder(column) ? name : `pg_catalog.convert_to(pg_catalog.format('%s', ${name}), 'UTF8')`
}

/** A value of that order in SQL. */
export function orderedLiteral(column: KeyColumn, text: string): string {
  return hasOwnOrder(column) ? quoteText(text) : `'\\x${Buffer.from(text).toString('hex')}'::bytea`
}

function ownOrder({ type, isBinary }: KeyColumn): CompareTexts | undefined {
  switch (type) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return (one, other) => compare(BigInt(one), BigInt(other))
    case 'numeric':
      return compareNumbers
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return compareMoments
    // What they print sorts as they do: digits and letters of the same length, or with a fraction behind.
    case 'uuid':
    case 'bytea':
    case 'bool':
    case 'time':
      return compare
    case 'text':
    case 'varchar':
      return isBinary ? byBytes : undefined
    default:
      return undefined
  }
}

/** Any number of digits; NaN comes after everything. */
function compareNumbers(one: string, other: string): number {
  if (one === other) return 0
  const [a, b] = [numberParts(one), numberParts(other)]
  if (a.rank !== b.rank) return a.rank - b.rank
  const size = compare(BigInt(a.whole), BigInt(b.whole)) || compare(a.fraction, b.fraction)
  return a.rank < 0 ? -size : size
}

/** Rank: -2 -Infinity, -1 negative, 0 not negative, 1 Infinity, 2 NaN. */
function numberParts(text: string): { readonly rank: number; readonly whole: string; readonly fraction: string } {
  const special = ['-Infinity', 'Infinity', 'NaN'].indexOf(text)
  if (special >= 0) return { rank: [-2, 1, 2][special] ?? 0, whole: '0', fraction: '' }
  const isNegative = text.startsWith('-')
  const [whole = '0', fraction = ''] = text.slice(isNegative ? 1 : 0).split('.')
  return { rank: isNegative ? -1 : 0, whole, fraction: fraction.replace(/0+$/, '') }
}

/** `[y]yyyy-mm-dd[ hh:mm:ss[.f][+00]][ BC]`, infinity: years have four digits or more. */
function compareMoments(one: string, other: string): number {
  if (one === other) return 0
  const [a, b] = [momentParts(one), momentParts(other)]
  return compare(a.year, b.year) || compare(a.rest, b.rest)
}

function momentParts(text: string): { readonly year: number; readonly rest: string } {
  if (text.endsWith('infinity')) return { year: text.startsWith('-') ? -Infinity : Infinity, rest: '' }
  const isBefore = text.endsWith(' BC')
  const dash = text.indexOf('-')
  const year = Number(text.slice(0, dash))
  return { year: isBefore ? 1 - year : year, rest: text.slice(dash).replace(/(\+00)?( BC)?$/, '') }
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function compare<T extends bigint | string | number>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0
}
