import { encodeJson } from '../core/exact-json.ts'
import { MillraceError } from '../core/errors.ts'

/**
 * What is loaded: objects, or a finished body. A body that comes bit by bit (`stream`) cannot be sent a second time, so a
 * load of it is not repeated.
 */
export type LoadInput =
  | { readonly rows: readonly unknown[] }
  | { readonly ndjson: string | Uint8Array }
  | { readonly csv: string | Uint8Array; readonly columnSeparator?: string; readonly skipHeader?: boolean }
  | { readonly parquet: Uint8Array }
  | { readonly stream: AsyncIterable<Uint8Array>; readonly format: 'json' | 'csv' }

/** Headers that tell the server what comes, and the chunks of the body. */
export interface LoadBody {
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly chunks: readonly Uint8Array[] | AsyncIterable<Uint8Array>
  readonly isRepeatable: boolean
  /** Known for rows and lines. */
  readonly rows: number | undefined
}

const JSON_ARRAY = [
  ['format', 'json'],
  ['strip_outer_array', 'true'],
] as const

export function bodyOf(input: LoadInput): LoadBody {
  if ('rows' in input) {
    if (input.rows.length === 0) throw empty()
    const text = `[${input.rows.map((row) => encodeJson(row)).join(',\n')}]`
    return { headers: JSON_ARRAY, chunks: [Buffer.from(text)], isRepeatable: true, rows: input.rows.length }
  }
  if ('ndjson' in input) {
    const lines = textOf(input.ndjson)
      .split('\n')
      .filter((line) => line.trim() !== '')
    if (lines.length === 0) throw empty()
    return {
      headers: JSON_ARRAY,
      chunks: [Buffer.from(`[${lines.join(',\n')}]`)],
      isRepeatable: true,
      rows: lines.length,
    }
  }
  if ('csv' in input) {
    const { csv, columnSeparator = ',', skipHeader = false } = input
    const headers = [
      ['format', 'CSV'],
      ['column_separator', columnSeparator],
      ...(skipHeader ? [['skip_header', '1'] as const] : []),
    ] as const
    return { headers, chunks: [Buffer.from(textOf(csv))], isRepeatable: true, rows: undefined }
  }
  if ('parquet' in input)
    return { headers: [['format', 'parquet']], chunks: [input.parquet], isRepeatable: true, rows: undefined }
  const headers = input.format === 'json' ? JSON_ARRAY : [['format', 'CSV'] as const]
  return { headers, chunks: input.stream, isRepeatable: false, rows: undefined }
}

function textOf(text: string | Uint8Array): string {
  return typeof text === 'string' ? text : Buffer.from(text).toString('utf8')
}

function empty(): MillraceError {
  return new MillraceError('loading nothing: servers answer a load without rows as if it had failed', {
    code: 'CONFIG',
  })
}
