import type { IncomingHttpHeaders } from 'node:http'
import type { Compression } from '../decompression.ts'
import {
  BadHeader,
  columnMapping,
  condition,
  delimiter,
  filterRatio,
  flag,
  header,
  jsonPath,
  jsonPaths,
  type LoadPlan,
} from '../load-plan.ts'
import type { TableStore } from '../table.ts'

export interface ParsedLoad {
  readonly plan: LoadPlan
  readonly compression: Compression | undefined
  readonly doesIgnoreJsonSize: boolean
  /** Two loads of a transaction must have the same. */
  readonly fingerprint: string
}

/** Compressed CSV is asked for by format. */
const CSV_FORMATS: Readonly<Record<string, Compression>> = {
  gzip: 'gzip',
  deflate: 'deflate',
  zstd: 'zstd',
  lz4: 'lz4',
  bzip2: 'unsupported',
}

const JSON_COMPRESSIONS: Readonly<Record<string, Compression>> = {
  gzip: 'gzip',
  deflate: 'deflate',
  zstd: 'zstd',
  lz4_frame: 'lz4',
  bzip2: 'unsupported',
}

const LOAD_HEADERS = [
  'format',
  'compression',
  'content-encoding',
  'column_separator',
  'row_delimiter',
  'columns',
  'where',
  'jsonpaths',
  'json_root',
  'strip_outer_array',
  'max_filter_ratio',
  'strict_mode',
  'partial_update',
  'partial_update_mode',
  'merge_condition',
  'partitions',
  'temporary_partitions',
  'timezone',
]

/**
 * Reads the load headers. `isTransaction`: the parser of `/api/transaction/load`, which does not read `skip_header`,
 * `trim_space`, `enclose` and `escape` (be/src/http/action/transaction_stream_load.cpp).
 */
export function parseLoadHeaders(headers: IncomingHttpHeaders, table: TableStore, isTransaction: boolean): ParsedLoad {
  const format = (header(headers, 'format') ?? 'csv').toLowerCase()
  const csvCompression = CSV_FORMATS[format]
  if (format !== 'csv' && format !== 'json' && csvCompression === undefined) {
    throw new BadHeader(`unknown data format, format=${header(headers, 'format') ?? ''}`)
  }
  if (headers['compression'] !== undefined && headers['content-encoding'] !== undefined) {
    throw new BadHeader('Only one of http header content-encoding and compression can be set')
  }
  if (headers['partitions'] !== undefined && headers['temporary_partitions'] !== undefined) {
    throw new BadHeader('Can not specify both partitions and temporary partitions')
  }
  const isPartial = header(headers, 'partial_update') === 'true'
  if (isPartial && !table.isKeyed) throw new BadHeader('Only primary key table support partial update')
  const csvOnly = isTransaction ? {} : headers
  const plan: LoadPlan = {
    table,
    format: format === 'json' ? 'json' : 'csv',
    columnSeparator: delimiter(header(headers, 'column_separator'), '\t'),
    rowDelimiter: delimiter(header(headers, 'row_delimiter'), '\n'),
    skipLines: Number(header(csvOnly, 'skip_header') ?? 0),
    trimSpace: flag(csvOnly, 'trim_space'),
    trimDoubleQuotes: false,
    isEmptyNull: false,
    enclose: (header(csvOnly, 'enclose') ?? '').slice(0, 1),
    escape: (header(csvOnly, 'escape') ?? '').slice(0, 1),
    isJsonByLine: false,
    stripOuterArray: flag(headers, 'strip_outer_array', 'Invalid strip_outer_array format. Must be bool type'),
    jsonPaths: jsonPaths(header(headers, 'jsonpaths')),
    jsonRoot: headers['json_root'] === undefined ? undefined : jsonPath(header(headers, 'json_root') ?? ''),
    ...columnMapping(header(headers, 'columns')),
    where: condition(header(headers, 'where')),
    isStrict: flag(headers, 'strict_mode', 'Invalid strict mode format. Must be bool type'),
    maxFilterRatio: filterRatio(header(headers, 'max_filter_ratio')),
    deleteField: table.isKeyed ? '__op' : undefined,
    isDelete: isDeleteOperation,
    deleteWhen: undefined,
    sequenceField: undefined,
    isPartial,
    mergeCondition: table.isKeyed ? header(headers, 'merge_condition') : undefined,
  }
  const unknown = [...plan.derivations.keys()].find((name) => name !== '__op' && !hasColumn(table, name))
  if (unknown !== undefined) throw new BadHeader(`Unknown column '${unknown}' in '${table.definition.table}'`)
  return {
    plan,
    compression: csvCompression ?? compressionOf(headers),
    doesIgnoreJsonSize: flag(headers, 'ignore_json_size'),
    fingerprint: JSON.stringify(LOAD_HEADERS.map((name) => headers[name] ?? null)),
  }
}

function hasColumn(table: TableStore, name: string): boolean {
  return table.isOpen || table.columns.some((column) => column.name === name)
}

function compressionOf(headers: IncomingHttpHeaders): Compression | undefined {
  const name = header(headers, 'compression') ?? header(headers, 'content-encoding')
  if (name === undefined) return undefined
  const compression = JSON_COMPRESSIONS[name.toLowerCase()]
  if (compression === undefined) throw new BadHeader(`Unsupported compression algorithm: ${name}`)
  return compression
}

/** `__op`: 0 or upsert, 1 or delete. */
function isDeleteOperation(value: unknown): boolean | undefined {
  if (value === undefined) return false
  const text = String(value).toLowerCase()
  if (text === '0' || text === 'upsert') return false
  return text === '1' || text === 'delete' ? true : undefined
}
