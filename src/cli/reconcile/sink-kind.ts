import type { JsonObject } from '../../core/json.ts'
import { parseColumnType } from '../../dataplane/index.ts'
import type { SinkStep } from '../../plan/plan.ts'
import type { PlaceColumns } from './compare-rows.ts'

/** Files tell in which checkpoint they were written. */
export function hasFiles({ connector }: SinkStep): boolean {
  return connector === 'files' || connector === 'hudi'
}

/** Files of lines are compared line by line. */
export function isText({ connector, options }: SinkStep): boolean {
  return connector === 'files' && options['format'] !== 'parquet'
}

export function hasHeader({ options: { format } }: SinkStep): boolean {
  if (format === 'csv') return true
  return typeof format === 'object' && format !== null && (format as JsonObject)['header'] !== false
}

/** A value as both sides have it: servers lay JSON out in their own way. */
export function canonical(value: string, type: string): string {
  return parseColumnType(type).kind === 'json'
    ? `CAST(json(${value}) AS VARCHAR)`
    : `CAST(${value} AS ${sqlType(type)})`
}

export function sqlType(type: string): string {
  const parsed = parseColumnType(type)
  // DuckDB has no such type with digits: those that it keeps are enough.
  if (parsed.kind === 'timestamp') return parsed.precision > 6 ? 'TIMESTAMP_NS' : 'TIMESTAMP'
  return parsed.kind === 'json' ? 'VARCHAR' : type
}

/** Where the rows keep their place in the topic, differences can be told by it. */
export function placeOf(sink: SinkStep): PlaceColumns | undefined {
  const names = new Set(isText(sink) ? [] : sink.schema?.map(({ name }) => name))
  return names.has('_partition') && names.has('_offset') ? { partition: '_partition', offset: '_offset' } : undefined
}
