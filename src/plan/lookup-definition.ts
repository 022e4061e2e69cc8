import { z, type ZodType } from 'zod'
import { duration } from '../core/options.ts'

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
})
