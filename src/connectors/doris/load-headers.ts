import type { BodyFormat } from '../../core/batch.ts'
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import type { HeaderFields } from '../../clients/stream-load/index.ts'
import type { DorisSinkOptions } from './options.ts'

const DELETE_SIGN = '__DORIS_DELETE_SIGN__'

/**
 * Headers of every load. Strict mode (off by default in Doris), and not one filtered row: without them the server
 * stores NULL for values that do not fit and reports success.
 */
export function loadHeaders(options: DorisSinkOptions, format: BodyFormat, schema: Schema | undefined): HeaderFields {
  assert(format.kind === 'bytes', 'a stream load is given bytes')
  const common: HeaderFields = [
    ['strict_mode', 'true'],
    ['max_filter_ratio', '0'],
    ['timezone', 'UTC'],
    ...(options.compression === 'gzip' ? ([['compress_type', 'gz']] as const) : []),
    ...Object.entries(options.properties),
  ]
  // Hidden columns are only read when `columns` is absent.
  if (format.format === 'json') {
    const hidden: HeaderFields =
      schema?.some((column) => column.name === DELETE_SIGN) === true ? [['hidden_columns', DELETE_SIGN]] : []
    return [...common, ['format', 'json'], ['read_json_by_line', 'true'], ...hidden]
  }
  assert(schema !== undefined, 'the columns of CSV rows are known')
  const columns = schema.map((column) => `\`${column.name}\``).join(',')
  return [...common, ['format', 'csv'], ['column_separator', '\\x01'], ['line_delimiter', '\\n'], ['columns', columns]]
}
