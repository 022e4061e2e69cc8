import { z, type ZodType } from 'zod'
import { duration, integer, size } from '../core/options.ts'

/** What a `lookup` says. */
export interface LookupOptions {
  /** A source that ends: its connector and its options. */
  readonly table: Readonly<Record<string, unknown>>
  /** Column of the rows → column of the table. */
  readonly on: Readonly<Record<string, string>>
  /** Name in the rows → column of the table. */
  readonly columns: Readonly<Record<string, string>>
  readonly refresh?: number | undefined
  readonly missing: 'null' | 'drop' | 'fail'
  readonly onDemand?: OnDemandOptions | undefined
}

/** How a table is asked for keys. Milliseconds and bytes. */
export interface OnDemandOptions {
  readonly cache: number
  readonly ttl: number
  readonly missingTtl: number
  readonly keys: number
}

const column = z.string().min(1)
const some = (columns: object): boolean => Object.keys(columns).length > 0

export const lookupOptions: ZodType<LookupOptions> = z.strictObject({
  table: z
    .record(z.string(), z.unknown())
    .describe('The table: a connector and its options, as in `sources`. It has to be a read that ends.')
    .meta({ examples: [{ connector: 'file', path: 'users.csv', format: 'csv' }] }),
  on: z
    .union([column.transform((name) => ({ [name]: name })), z.record(column, column)])
    .refine(some, 'must name at least one column')
    .describe('Columns of the rows and of the table that are equal: {user_id: id}, or one name for both.'),
  columns: z
    .union([
      z
        .array(column)
        .min(1)
        .transform((names) => Object.fromEntries(names.map((name) => [name, name]))),
      z.record(column, column),
    ])
    .refine(some, 'must name at least one column')
    .describe('Columns that the rows get: [name], or {user_name: name} under another name.'),
  refresh: duration({ minMs: 100 })
    .optional()
    .describe('How old the table may get; a newer one is taken at a checkpoint. Default: it is read at the start.'),
  missing: z
    .enum(['null', 'drop', 'fail'])
    .default('null')
    .describe('Rows that find nothing: they go on with NULL, are dropped, or fail the job.'),
  onDemand: z
    .strictObject({
      cache: size({ minBytes: 64 * 1024 })
        .prefault('32MiB')
        .describe('Bytes of answers that each lane keeps; the oldest go first.'),
      ttl: duration({ minMs: 1 }).prefault('5m').describe('How long an answer counts.'),
      missingTtl: duration({ minMs: 1 }).prefault('30s').describe('How long it counts that there is no row for a key.'),
      keys: integer({ min: 1, max: 10_000 }).default(500).describe('Keys of one request at the most.'),
    })
    .optional()
    .describe('Ask for the keys of the rows as they come, in place of reading the whole table.'),
})
