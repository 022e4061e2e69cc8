import type { IncomingHttpHeaders } from 'node:http'
import type { Condition } from '../condition.ts'
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

const DELETE_SIGN = '__DORIS_DELETE_SIGN__'
const SEQUENCE_COLUMN = '__DORIS_SEQUENCE_COL__'

export interface ParsedLoad {
  readonly plan: LoadPlan
  readonly compression: Compression | undefined
}

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  gz: 'gzip',
  deflate: 'deflate',
  lz4: 'lz4',
  zstd: 'zstd',
  bz2: 'unsupported',
  lzo: 'unsupported',
  lzop: 'unsupported',
}

/** Lines of names and types that a CSV format begins with. */
const CSV_HEADER_LINES: Readonly<Record<string, number>> = { csv: 0, csv_with_names: 1, csv_with_names_and_types: 2 }

/** Reads the load headers as be/src/http/action/stream_load.cpp does. */
export function parseLoadHeaders(headers: IncomingHttpHeaders, table: TableStore): ParsedLoad {
  const format = (header(headers, 'format') ?? 'csv').toLowerCase()
  const headerLines = CSV_HEADER_LINES[format]
  if (headerLines === undefined && format !== 'json') {
    throw new BadHeader(`[INTERNAL_ERROR]unknown data format, format=${header(headers, 'format') ?? ''}`)
  }
  if (headers['partitions'] !== undefined && headers['temporary_partitions'] !== undefined) {
    throw new BadHeader('[INVALID_ARGUMENT]Can not specify both partitions and temporary partitions')
  }
  const stripOuterArray = flag(headers, 'strip_outer_array')
  const isByLineAsked = flag(headers, 'read_json_by_line')
  const plan: LoadPlan = {
    table,
    format: format === 'json' ? 'json' : 'csv',
    columnSeparator: delimiter(header(headers, 'column_separator'), '\t'),
    rowDelimiter: delimiter(header(headers, 'line_delimiter'), '\n'),
    skipLines: (headerLines ?? 0) + Number(header(headers, 'skip_lines') ?? 0),
    trimSpace: false,
    trimDoubleQuotes: flag(headers, 'trim_double_quotes'),
    isEmptyNull: flag(headers, 'empty_field_as_null'),
    enclose: singleCharacter(headers, 'enclose'),
    escape: singleCharacter(headers, 'escape'),
    isJsonByLine:
      isByLineAsked || (headers['strip_outer_array'] === undefined && headers['read_json_by_line'] === undefined),
    stripOuterArray,
    jsonPaths: jsonPaths(header(headers, 'jsonpaths')),
    jsonRoot: headers['json_root'] === undefined ? undefined : jsonPath(header(headers, 'json_root') ?? ''),
    ...mapping(headers, table),
    where: condition(header(headers, 'where')),
    isStrict: flag(headers, 'strict_mode', '[INVALID_ARGUMENT]Invalid strict mode format. Must be bool type'),
    maxFilterRatio: filterRatio(header(headers, 'max_filter_ratio')),
    sequenceField: sequenceField(headers, table),
    isPartial: isPartial(headers, table),
    mergeCondition: undefined,
    ...deletion(headers, table),
  }
  const compressType = header(headers, 'compress_type')?.toLowerCase()
  const compression = compressType === undefined ? undefined : COMPRESSIONS[compressType]
  if (compressType !== undefined && compression === undefined) {
    throw new BadHeader(`[INTERNAL_ERROR]unknown compress type, compress_type=${compressType}`)
  }
  return { plan, compression }
}

/** `hidden_columns` count only when there is no `columns` header. */
function mapping(headers: IncomingHttpHeaders, table: TableStore): Pick<LoadPlan, 'fields' | 'derivations'> {
  const given = columnMapping(header(headers, 'columns'))
  const hidden = hiddenColumns(headers)
  if (given.fields !== undefined || hidden.length === 0) return given
  return { fields: [...table.columns.map((column) => column.name), ...hidden], derivations: new Map() }
}

function hiddenColumns(headers: IncomingHttpHeaders): readonly string[] {
  if (headers['columns'] !== undefined) return []
  const names = header(headers, 'hidden_columns')?.split(',') ?? []
  return names.map((name) => name.trim()).filter((name) => name !== '')
}

function isMapped(headers: IncomingHttpHeaders, name: string): boolean {
  const { fields, derivations } = columnMapping(header(headers, 'columns'))
  return hiddenColumns(headers).includes(name) || derivations.has(name) || (fields?.includes(name) ?? false)
}

/** Which rows are deletes: the delete sign, or `merge_type` with its `delete` condition. */
function deletion(
  headers: IncomingHttpHeaders,
  table: TableStore,
): Pick<LoadPlan, 'deleteField' | 'isDelete' | 'deleteWhen'> {
  const mergeType = header(headers, 'merge_type') ?? 'APPEND'
  const deleteOn = header(headers, 'delete')
  if (mergeType !== 'APPEND' && mergeType !== 'DELETE' && mergeType !== 'MERGE') {
    throw new BadHeader(`[INVALID_ARGUMENT]Invalid merge type ${mergeType}`)
  }
  if (mergeType === 'MERGE' && deleteOn === undefined) {
    throw new BadHeader('[INVALID_ARGUMENT]Excepted DELETE ON clause when merge type is MERGE.')
  }
  if (mergeType !== 'MERGE' && deleteOn !== undefined) {
    throw new BadHeader('[INVALID_ARGUMENT]Not support DELETE ON clause when merge type is not MERGE.')
  }
  if (mergeType !== 'APPEND' && !table.isKeyed) {
    throw new BadHeader('[ANALYSIS_ERROR]load by MERGE or DELETE is only supported in unique tables.')
  }
  const deleteWhen: Condition | undefined = mergeType === 'DELETE' ? () => true : condition(deleteOn)
  const hasSign = table.isKeyed && isMapped(headers, DELETE_SIGN)
  return { deleteField: hasSign ? DELETE_SIGN : undefined, isDelete: isDeleteSign, deleteWhen }
}

function isDeleteSign(value: unknown): boolean | undefined {
  if (value === undefined || value === '0' || value === 'false') return false
  return value === '1' || value === 'true' ? true : undefined
}

/** The header's column, the hidden column, or the column that the table was made with. */
function sequenceField(headers: IncomingHttpHeaders, table: TableStore): string | undefined {
  if (!table.isKeyed) return undefined
  const named = header(headers, 'function_column.sequence_col')
  if (named !== undefined) return named
  return isMapped(headers, SEQUENCE_COLUMN) ? SEQUENCE_COLUMN : table.definition.sequenceColumn
}

function isPartial(headers: IncomingHttpHeaders, table: TableStore): boolean {
  const mode = header(headers, 'unique_key_update_mode')?.toUpperCase()
  if (mode === 'UPDATE_FLEXIBLE_COLUMNS') {
    throw new BadHeader('[INVALID_ARGUMENT]flexible partial update is not known to this emulator')
  }
  const isAsked = flag(headers, 'partial_columns') || mode === 'UPDATE_FIXED_COLUMNS'
  if (isAsked && !table.isKeyed) {
    throw new BadHeader('[ANALYSIS_ERROR]Only unique key merge on write support partial update')
  }
  return isAsked
}

function singleCharacter(headers: IncomingHttpHeaders, name: string): string {
  const text = header(headers, name) ?? ''
  if (text.length > 1) throw new BadHeader(`[INVALID_ARGUMENT]${name} must be single-char, actually is ${text}`)
  return text
}
