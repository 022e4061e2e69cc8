import type { KeyColumn } from '../../clients/postgres-replication/index.ts'
import type { KeyText } from './split.ts'

/** Less than 0 when the first key comes before the second one; a key with fewer columns is compared by those. */
export type CompareKeys = (one: KeyText, other: KeyText) => number

/**
 * The order in which the server sorts keys, where it can be told without it: texts of most collations cannot. Undefined
 * where keys have no such order.
 */
export function keyOrder(key: readonly KeyColumn[]): CompareKeys | undefined {
  const compares = key.map(compareColumn)
  if (key.length === 0 || !compares.every((compare) => compare !== undefined)) return undefined
  return (one, other) => {
    for (let index = 0; index < Math.min(one.length, other.length); index++) {
      const order = compares[index]?.(one[index] ?? '', other[index] ?? '') ?? 0
      if (order !== 0) return order
    }
    return 0
  }
}

function compareColumn({ type, isBinary }: KeyColumn): ((one: string, other: string) => number) | undefined {
  switch (type) {
    case 'int2':
    case 'int4':
    case 'int8':
      return (one, other) => compare(BigInt(one), BigInt(other))
    case 'uuid':
      return compare
    case 'text':
    case 'varchar':
      return isBinary ? (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)) : undefined
    default:
      return undefined
  }
}

function compare<T extends bigint | string>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0
}
