import { z } from 'zod'
import { duration, identifier, integer, oneOrMany, properties, secret, size, url } from '../../core/options.ts'
import type { Secret } from '../../core/secret.ts'

/** Headers that belong to the protocol or to other options. */
const RESERVED = [
  'label',
  'db',
  'table',
  'format',
  'timeout',
  'strict_mode',
  'max_filter_ratio',
  'strip_outer_array',
  'columns',
  'where',
  'column_separator',
  'row_delimiter',
  'compression',
  'transaction_type',
]

/** The options of the sink `starrocks`. */
export const starrocksSinkOptions: z.ZodType<StarRocksSinkOptions> = z.strictObject({
  url: oneOrMany(url(['http', 'https']))
    .describe('HTTP addresses of the FEs, tried in turn.')
    .meta({ examples: [['http://fe1:8030']] }),
  allowPlaintext: z
    .boolean()
    .default(false)
    .describe('Allows the password over plain HTTP to a host that is not loopback.'),
  database: identifier().describe('Database of the table.'),
  table: identifier().describe('Table to write to; it has to exist.'),
  username: identifier().default('root').describe('StarRocks user with the right to load into the table.'),
  password: secret()
    .default(() => secret().parse(''))
    .describe('Its password: `${NAME}`, {file: path} or {exec: command}.'),
  format: z
    .enum(['json', 'csv'])
    .optional()
    .describe('Encoding of the rows. Default: json when the source’s bytes are passed through, csv otherwise.'),
  compression: z
    .enum(['none', 'gzip', 'zstd'])
    .default('none')
    .describe('Compression of bodies. JSON needs StarRocks 3.2.7 or later.'),
  backends: z
    .array(z.string())
    .optional()
    .describe('`host:port` of every BE that the FE may redirect to. Default: the FE is asked.'),
  labelPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/, 'expected 1 to 40 characters of A-Z a-z 0-9 _ -')
    .default('millrace')
    .describe('First part of all labels.'),
  loadBytesMax: size({ minBytes: 1024, maxBytes: 100 * 1024 * 1024 })
    .default(32 * 1024 * 1024)
    .describe('A load is closed at this size; the next one follows in the same transaction.'),
  writers: z
    .union([z.literal('auto'), integer({ min: 1, max: 64 })])
    .default('auto')
    .describe(
      'Transactions that are open at the same time. `auto` is one, fed by all lanes; more only while the server is the brake.',
    ),
  key: z
    .array(identifier())
    .optional()
    .describe('Key columns of a primary-key table. Rows may carry `__op` (0 upsert, 1 delete).'),
  serverPreparedTimeout: duration()
    .default(86_400_000)
    .describe(
      'What the FE grants prepared transactions when it does not read the header prepared_timeout (before 3.5.4).',
    ),
  serverLabelKeep: duration().default(259_200_000).describe('label_keep_max_second of the FE.'),
  properties: properties()
    .default({})
    .describe('Further load headers, for example merge_condition or partial_update.')
    .superRefine((headers, context) => {
      for (const name of Object.keys(headers)) {
        if (!RESERVED.includes(name.toLowerCase())) continue
        context.addIssue({ code: 'custom', path: [name], message: 'is set by Millrace and cannot be changed' })
      }
    }),
})

export interface StarRocksSinkOptions {
  readonly url: readonly string[]
  readonly allowPlaintext: boolean
  readonly database: string
  readonly table: string
  readonly username: string
  readonly password: Secret
  readonly format?: 'json' | 'csv' | undefined
  readonly compression: 'none' | 'gzip' | 'zstd'
  readonly backends?: readonly string[] | undefined
  readonly labelPrefix: string
  readonly loadBytesMax: number
  readonly writers: 'auto' | number
  readonly key?: readonly string[] | undefined
  readonly serverPreparedTimeout: number
  readonly serverLabelKeep: number
  readonly properties: Readonly<Record<string, string>>
}

/** Transactions that are open at the same time: `auto` is one, fed by all lanes. */
export function writersOf(options: StarRocksSinkOptions, lanes: number): number {
  return options.writers === 'auto' ? 1 : Math.min(options.writers, lanes)
}
