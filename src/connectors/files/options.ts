import { z } from 'zod'
import { path, s3, size, type S3Options } from '../../core/options.ts'

const csvFormat = z.strictObject({
  type: z.literal('csv'),
  delimiter: z.string().length(1).default(',').describe('One character between fields.'),
  header: z.boolean().default(true).describe('Begin every file with the names of the columns.'),
  null: z.string().default('').describe('Text of a field without quotes that means NULL.'),
})

export interface CsvLayout {
  readonly delimiter: string
  readonly header: boolean
  readonly null: string
}

export type FilesCompression = 'none' | 'gzip' | 'zstd' | 'snappy'

export interface FilesSinkOptions {
  readonly path: string
  readonly format: 'json' | 'ndjson' | 'csv' | 'parquet' | (CsvLayout & { readonly type: 'csv' })
  readonly compression?: FilesCompression | undefined
  readonly rollBytes: number
  readonly s3?: S3Options | undefined
}

/** The options of the sink `files`. */
export const filesSinkOptions: z.ZodType<FilesSinkOptions> = z.strictObject({
  path: path()
    .describe('Directory of the files, made if it is missing, or s3://bucket/prefix.')
    .meta({ examples: ['./out', 's3://lake/out'] }),
  format: z.union([z.enum(['json', 'ndjson', 'csv', 'parquet']), csvFormat]).describe('How rows are written.'),
  compression: z
    .enum(['none', 'gzip', 'zstd', 'snappy'])
    .optional()
    .describe('none, gzip or zstd (JSON, CSV); none, snappy or zstd (Parquet). Default: none, for Parquet snappy.'),
  rollBytes: size({ minBytes: 1024 })
    .default(512 * 1024 * 1024)
    .describe('A larger file is ended before the checkpoint, and the next one begun.'),
  s3: s3().optional(),
})

export type FilesLayout =
  | { readonly kind: 'json'; readonly compression: 'none' | 'gzip' | 'zstd' }
  | { readonly kind: 'csv'; readonly compression: 'none' | 'gzip' | 'zstd'; readonly csv: CsvLayout }
  | { readonly kind: 'parquet'; readonly compression: 'uncompressed' | 'zstd' | 'snappy' }

const DEFAULT_CSV: CsvLayout = { delimiter: ',', header: true, null: '' }

/** What files of these options are; a sentence where they fit no file. */
export function layoutOf({ format, compression }: FilesSinkOptions): FilesLayout | string {
  if (format === 'parquet') {
    if (compression === 'gzip') return 'Parquet files are compressed with snappy or zstd, or not at all'
    const codec = compression === 'none' ? 'uncompressed' : (compression ?? 'snappy')
    return { kind: 'parquet', compression: codec }
  }
  if (compression === 'snappy') return 'snappy is for Parquet only; use gzip or zstd'
  const codec = compression ?? 'none'
  if (format === 'csv') return { kind: 'csv', compression: codec, csv: DEFAULT_CSV }
  return typeof format === 'object'
    ? { kind: 'csv', compression: codec, csv: format }
    : { kind: 'json', compression: codec }
}

/** `ndjson.gz`, `csv`, `parquet`. */
export function extensionOf({ kind, compression }: FilesLayout): string {
  const suffix = compression === 'gzip' ? '.gz' : compression === 'zstd' && kind !== 'parquet' ? '.zst' : ''
  return `${kind === 'json' ? 'ndjson' : kind}${suffix}`
}
