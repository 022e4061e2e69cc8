import {
  rangesMayMatch,
  type IcebergType,
  type Scalar,
  type ValueRange,
  type Where,
} from '../../clients/iceberg/index.ts'
import {
  chunkStatistics,
  type ChunkStatistics,
  type ParquetFooter,
  type ParquetRowGroup,
} from '../../dataplane/parquet-source/index.ts'

/** What is known when nothing is. */
const ANYTHING: ValueRange = { lower: undefined, upper: undefined, mayBeNull: true, isAllNull: false, mayBeNan: true }
/** Converted types of apache/parquet-format: what 64-bit numbers mean. */
const TIME_MICROS = 8
const TIMESTAMP_MICROS = 10

/** False only when no row of the row group can match, by the statistics in the file’s footer. */
export function groupMayMatch(where: Where, footer: ParquetFooter, group: ParquetRowGroup): boolean {
  return rangesMayMatch(where, ({ id, type }) => {
    const column = footer.columns.find(({ fieldId }) => fieldId === id)
    const statistics = column && chunkStatistics(column, group)
    if (statistics === undefined) return ANYTHING
    const { nulls } = statistics
    return {
      lower: scalarOf(type, statistics, statistics.min),
      upper: scalarOf(type, statistics, statistics.max),
      mayBeNull: nulls !== 0,
      isAllNull: nulls !== undefined && nulls === group.rows,
      mayBeNan: type.kind === 'float' || type.kind === 'double',
    }
  })
}

function scalarOf(
  type: IcebergType,
  { physicalType, convertedType }: ChunkStatistics,
  bytes?: Buffer,
): Scalar | undefined {
  if (bytes === undefined) return undefined
  switch (type.kind) {
    case 'int':
    case 'long':
    case 'date':
      return wholeNumber(physicalType, bytes)
    case 'time':
      return convertedType === TIME_MICROS ? wholeNumber(physicalType, bytes) : undefined
    case 'timestamp':
    case 'timestamptz':
      return convertedType === TIMESTAMP_MICROS ? wholeNumber(physicalType, bytes) : undefined
    case 'decimal':
      return wholeNumber(physicalType, bytes)
    case 'float':
    case 'double':
      return realNumber(physicalType, bytes)
    case 'string':
      return physicalType === 'bytes' ? bytes : undefined
    default:
      return undefined
  }
}

function wholeNumber(physicalType: ChunkStatistics['physicalType'], bytes: Buffer): bigint | undefined {
  if (physicalType === 'int32' && bytes.length === 4) return BigInt(bytes.readInt32LE())
  return physicalType === 'int64' && bytes.length === 8 ? bytes.readBigInt64LE() : undefined
}

function realNumber(physicalType: ChunkStatistics['physicalType'], bytes: Buffer): number | undefined {
  const isFloat = physicalType === 'float' && bytes.length === 4
  const isDouble = physicalType === 'double' && bytes.length === 8
  const value = isFloat ? bytes.readFloatLE() : isDouble ? bytes.readDoubleLE() : Number.NaN
  return Number.isNaN(value) ? undefined : value
}
