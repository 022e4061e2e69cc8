import type { Scalar } from './scalar.ts'
import type { IcebergType } from './types.ts'

/** How a partition value follows from a column's value. Source: apache/iceberg format/spec.md, "Partition Transforms". */
export interface PartitionTransform {
  /** The type of partition values, given the column's. */
  resultType(source: IcebergType): IcebergType
  /** `undefined` where it cannot be told. */
  apply(value: Scalar, source: IcebergType): Scalar | undefined
  /** A larger value never has a smaller partition value. */
  readonly isOrdered: boolean
  /** Partition values are the column's values. */
  readonly isIdentity: boolean
  /** Some writers were off by one for moments before 1970. */
  readonly isTime: boolean
}

const INT: IcebergType = { kind: 'int' }
const DAY_MICROS = 86_400_000_000n
const HOUR_MICROS = 3_600_000_000n

/** `undefined` for transforms that tell nothing about values (`void`), or that nobody here knows. */
export function parseTransform(text: string): PartitionTransform | undefined {
  const [, name, parameter] = /^([a-z]+)(?:\[(\d+)\])?$/.exec(text) ?? []
  const width = Number(parameter ?? 0)
  const ordered = { isOrdered: true, isIdentity: false, isTime: false }
  switch (name) {
    case 'identity':
      return { ...ordered, isIdentity: true, resultType: (source) => source, apply: (value) => value }
    case 'truncate':
      return { ...ordered, resultType: (source) => source, apply: (value, source) => truncate(value, source, width) }
    case 'bucket':
      return {
        ...ordered,
        isOrdered: false,
        resultType: () => INT,
        apply: (value, source) => {
          const hash = hashScalar(value, source)
          return hash === undefined || width === 0 ? undefined : BigInt((hash & 0x7fffffff) % width)
        },
      }
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      return {
        ...ordered,
        isTime: true,
        resultType: () => INT,
        apply: (value, source) => timePart(name, value, source),
      }
    default:
      return undefined
  }
}

function truncate(value: Scalar, source: IcebergType, width: number): Scalar | undefined {
  if (width === 0) return undefined
  if (typeof value === 'bigint') {
    const wide = BigInt(width)
    return value - (((value % wide) + wide) % wide)
  }
  if (!Buffer.isBuffer(value)) return undefined
  if (source.kind !== 'string') return value.subarray(0, width)
  return Buffer.from(Array.from(value.toString('utf8')).slice(0, width).join(''))
}

function timePart(part: 'year' | 'month' | 'day' | 'hour', value: Scalar, source: IcebergType): bigint | undefined {
  if (typeof value !== 'bigint') return undefined
  const isDate = source.kind === 'date'
  if (part === 'hour') return isDate ? undefined : floorDivide(value, HOUR_MICROS)
  const days = isDate ? value : floorDivide(value, DAY_MICROS)
  if (part === 'day') return days
  const date = new Date(Number(days) * 86_400_000)
  const year = date.getUTCFullYear() - 1970
  if (Number.isNaN(year)) return undefined
  return BigInt(part === 'year' ? year : year * 12 + date.getUTCMonth())
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}

/** Source: apache/iceberg format/spec.md, "Appendix B: 32-bit Hash Requirements". */
function hashScalar(value: Scalar, source: IcebergType): number | undefined {
  if (Buffer.isBuffer(value)) return murmur3(value)
  if (typeof value !== 'bigint') return undefined
  if (source.kind === 'decimal') return murmur3(minimalBytes(value))
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return murmur3(bytes)
}

/** The shortest two's complement, the highest byte first. */
function minimalBytes(value: bigint): Buffer {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  return Buffer.from(
    BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  )
}

/** MurmurHash3, x86, 32 bits, seed 0. */
export function murmur3(bytes: Buffer): number {
  let hash = 0
  const whole = bytes.length & ~3
  for (let at = 0; at < whole; at += 4) {
    hash ^= mixed(bytes.readInt32LE(at))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  if (whole < bytes.length) hash ^= mixed(bytes.readUIntLE(whole, bytes.length - whole) | 0)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function mixed(word: number): number {
  const scrambled = Math.imul(word, 0xcc9e2d51)
  return Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593)
}
