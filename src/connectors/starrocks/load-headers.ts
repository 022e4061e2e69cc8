import type { BodyFormat } from '../../core/batch.ts'
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import type { HeaderFields } from '../../clients/stream-load/index.ts'
import type { StarRocksSinkOptions } from './options.ts'

/**
 * Headers of every load. Strict mode, and not one filtered row: without them the server stores NULL for values that do
 * not fit and reports success. All loads of a transaction need the same headers.
 */
export function loadHeaders(
  options: StarRocksSinkOptions,
  format: BodyFormat,
  schema: Schema | undefined,
): HeaderFields {
  assert(format.kind === 'bytes', 'a stream load is given bytes')
  const common: HeaderFields = [
    ['strict_mode', 'true'],
    ['max_filter_ratio', '0'],
    ['timezone', 'UTC'],
    ...Object.entries(options.properties),
  ]
  const { compression } = options
  if (format.format === 'json') {
    const packed: HeaderFields = compression === 'none' ? [] : [['compression', compression]]
    return [...common, ...packed, ['format', 'json'], ['strip_outer_array', 'true'], ['ignore_json_size', 'true']]
  }
  assert(schema !== undefined, 'the columns of CSV rows are known')
  // Of CSV the name of the format says how it is compressed.
  const packedCsv = compression === 'none' ? 'csv' : compression
  const columns = schema.map((column) => `\`${column.name}\``).join(',')
  return [
    ...common,
    ['format', packedCsv],
    ['column_separator', '\\x01'],
    ['row_delimiter', '\\n'],
    ['columns', columns],
  ]
}
