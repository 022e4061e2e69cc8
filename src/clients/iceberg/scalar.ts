import type { PartitionValue } from './manifest.ts'
import type { IcebergType } from './types.ts'

/**
 * A value in the form in which it is compared: whole numbers, dates (days), times and timestamps (microseconds) and
 * decimals (without their point) as `bigint`, texts and bytes as `Buffer`, which compares by bytes as Iceberg does.
 */
export type Scalar = bigint | number | boolean | Buffer

export function compareScalars(left: Scalar, right: Scalar): number {
  if (Buffer.isBuffer(left) && Buffer.isBuffer(right)) return left.compare(right)
  return left === right ? 0 : left < right ? -1 : 1
}

/**
 * A bound in its binary form; `undefined` where it cannot be told. Bounds are not written again when a column becomes
 * wider, so four bytes of a long are an int. Source: apache/iceberg format/spec.md, "Appendix D".
 */
export function decodeBound(type: IcebergType, bytes: Buffer | undefined): Scalar | undefined {
  if (bytes === undefined) return undefined
  switch (type.kind) {
    case 'boolean':
      return bytes.length === 1 ? bytes[0] !== 0 : undefined
    case 'int':
    case 'long':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      if (bytes.length === 8) return bytes.readBigInt64LE()
      return bytes.length === 4 ? BigInt(bytes.readInt32LE()) : undefined
    case 'float':
    case 'double':
      if (bytes.length === 8) return finite(bytes.readDoubleLE())
      return bytes.length === 4 ? finite(bytes.readFloatLE()) : undefined
    case 'decimal':
      return bytes.length > 0 ? bigEndian(bytes) : undefined
    case 'string':
    case 'uuid':
    case 'fixed':
    case 'binary':
      return bytes
    case 'struct':
    case 'list':
    case 'map':
      return undefined
  }
}

/** A partition value as Avro gives it. */
export function partitionScalar(type: IcebergType, value: PartitionValue | undefined): Scalar | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string') return Buffer.from(value)
  if (Buffer.isBuffer(value)) return type.kind === 'decimal' ? bigEndian(value) : value
  if (typeof value === 'number' && type.kind !== 'float' && type.kind !== 'double') return BigInt(value)
  return value
}

/** NaN is no bound. */
function finite(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

/** Two's complement with the highest byte first. */
function bigEndian(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}
