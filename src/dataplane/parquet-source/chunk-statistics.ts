import type { ThriftStruct } from '../thrift-compact.ts'
import { CHUNK, type ParquetColumn, type ParquetRowGroup } from './footer.ts'

/** What a writer says of the values of one column in one row group. */
export interface ChunkStatistics {
  /** How values are kept: `Type` of apache/parquet-format src/main/thrift/parquet.thrift. */
  readonly physicalType: 'int32' | 'int64' | 'float' | 'double' | 'bytes' | 'other'
  /** `ConvertedType` of the same: what they mean. */
  readonly convertedType: number | undefined
  /** No value is smaller, or greater. In the plain encoding. */
  readonly min: Buffer | undefined
  readonly max: Buffer | undefined
  readonly nulls: number | undefined
}

const ELEMENT_CONVERTED = 6
const META = { type: 1, statistics: 12 } as const
/** `min` and `max` (1, 2) of old writers have no defined order and are not looked at. */
const STATISTICS = { nulls: 3, max: 5, min: 6 } as const
const TYPES = ['other', 'int32', 'int64', 'other', 'float', 'double', 'bytes', 'bytes'] as const

/** `undefined` for nested columns, and where nothing is said. */
export function chunkStatistics(column: ParquetColumn, group: ParquetRowGroup): ChunkStatistics | undefined {
  if (column.isNested) return undefined
  const metadata = group.chunks[column.leaves.from]?.struct.get(CHUNK.metadata)?.value
  const statistics = metadata instanceof Map ? metadata.get(META.statistics)?.value : undefined
  if (!(metadata instanceof Map) || !(statistics instanceof Map)) return undefined
  return {
    physicalType: TYPES[numberOf(metadata, META.type) ?? 0] ?? 'other',
    convertedType: numberOf(column.elements[0] ?? new Map(), ELEMENT_CONVERTED),
    min: bytesOf(statistics, STATISTICS.min),
    max: bytesOf(statistics, STATISTICS.max),
    nulls: numberOf(statistics, STATISTICS.nulls),
  }
}

function numberOf(fields: ThriftStruct, id: number): number | undefined {
  const value = fields.get(id)?.value
  return typeof value === 'bigint' ? Number(value) : undefined
}

function bytesOf(fields: ThriftStruct, id: number): Buffer | undefined {
  const value = fields.get(id)?.value
  return Buffer.isBuffer(value) ? value : undefined
}
