import { z } from 'zod'
import { s3, type S3Options } from '../../core/options.ts'

const csvFormat = z.strictObject({
  type: z.literal('csv'),
  delimiter: z.string().length(1).default(',').describe('One character between fields.'),
  quote: z
    .enum(['"', ''])
    .default('"')
    .describe('Stands around fields and is doubled inside of them; empty: none are quoted.'),
  header: z.boolean().default(true).describe('The first record of every file names the columns.'),
  null: z.string().default('').describe('Text of an unquoted field that means NULL.'),
})

const formatName = z.enum(['json', 'ndjson', 'csv', 'parquet', 'raw', 'lines'])

/** The options of the source `file`. */
export const fileSourceOptions: z.ZodType<FileSourceOptions> = z.strictObject({
  path: z
    .string()
    .min(1)
    .describe(
      'A file, a directory (read with its subdirectories) or a glob, here or below s3://bucket/. Names that begin with . or _ are left out.',
    )
    .meta({ examples: ['data/clicks.ndjson', 'data/*.csv.gz', 'landing/', 's3://lake/in/*.parquet'] }),
  format: z
    .union([formatName, csvFormat])
    .optional()
    .describe('json or ndjson (one object per line), csv, parquet, raw or lines. Default: by the extension.'),
  schema: z.record(z.string(), z.string()).optional().describe('Columns and their SQL types.'),
  follow: z
    .boolean()
    .default(false)
    .describe('Keep running: read files that appear and what is appended to files that are there.'),
  s3: s3().optional(),
})

export interface FileSourceOptions {
  readonly path: string
  readonly format?:
    | 'json'
    | 'ndjson'
    | 'csv'
    | 'parquet'
    | 'raw'
    | 'lines'
    | (Omit<CsvDialect, 'kind'> & { readonly type: 'csv' })
    | undefined
  readonly schema?: Readonly<Record<string, string>> | undefined
  readonly follow: boolean
  readonly s3?: S3Options | undefined
}

/** How CSV records are written. */
export interface CsvDialect {
  readonly delimiter: string
  readonly quote: string
  readonly header: boolean
  readonly null: string
}

export type FileFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'raw' }
  | { readonly kind: 'parquet' }
  | { readonly kind: 'csv'; readonly dialect: CsvDialect }

const DEFAULT_CSV: CsvDialect = { delimiter: ',', quote: '"', header: true, null: '' }

const EXTENSIONS: Readonly<Record<string, FileFormat>> = {
  json: { kind: 'json' },
  ndjson: { kind: 'json' },
  jsonl: { kind: 'json' },
  csv: { kind: 'csv', dialect: DEFAULT_CSV },
  parquet: { kind: 'parquet' },
  log: { kind: 'raw' },
  txt: { kind: 'raw' },
}

/** The format that the options name, or that the extension of `path` tells; `undefined` when neither does. */
export function formatOf(options: FileSourceOptions): FileFormat | undefined {
  const { format } = options
  if (typeof format === 'object') {
    const { type: _, ...dialect } = format
    return { kind: 'csv', dialect }
  }
  switch (format) {
    case 'json':
    case 'ndjson':
      return { kind: 'json' }
    case 'raw':
    case 'lines':
      return { kind: 'raw' }
    case 'csv':
      return { kind: 'csv', dialect: DEFAULT_CSV }
    case 'parquet':
      return { kind: 'parquet' }
    case undefined:
      return EXTENSIONS[/\.([a-z]+)(?:\.(?:gz|zst))?$/i.exec(options.path)?.[1]?.toLowerCase() ?? '']
  }
}
