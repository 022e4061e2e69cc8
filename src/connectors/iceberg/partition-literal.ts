import type { IcebergType, Scalar } from '../../clients/iceberg/index.ts'
import { quoteText } from '../../dataplane/index.ts'

/** SQL for a partition value, in the column's type. */
export function scalarSql(value: Scalar, type: IcebergType): string {
  if (Buffer.isBuffer(value)) return bytesSql(value, type)
  const text = quoteText(String(value))
  switch (type.kind) {
    case 'date':
      return `(DATE '1970-01-01' + CAST(${text} AS INTEGER))`
    case 'time':
      return `(TIME '00:00:00' + to_microseconds(CAST(${text} AS BIGINT)))`
    case 'timestamp':
      return `make_timestamp(CAST(${text} AS BIGINT))`
    case 'timestamptz':
      return `(make_timestamp(CAST(${text} AS BIGINT)) AT TIME ZONE 'UTC')`
    case 'decimal':
      return `CAST(${quoteText(pointed(BigInt(String(value)), type.scale))} AS DECIMAL(${type.precision},${type.scale}))`
    case 'int':
      return `CAST(${text} AS INTEGER)`
    case 'long':
      return `CAST(${text} AS BIGINT)`
    case 'boolean':
      return `CAST(${text} AS BOOLEAN)`
    case 'float':
      return `CAST(${text} AS FLOAT)`
    default:
      return `CAST(${text} AS DOUBLE)`
  }
}

function bytesSql(value: Buffer, type: IcebergType): string {
  if (type.kind === 'string') return quoteText(value.toString('utf8'))
  const hex = value.toString('hex')
  if (type.kind === 'uuid') return `CAST(${quoteText(hex)} AS UUID)`
  return `from_hex(${quoteText(hex)})`
}

/** A decimal's text from its digits without the point. */
function pointed(digits: bigint, scale: number): string {
  const sign = digits < 0n ? '-' : ''
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0')
  return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`
}
