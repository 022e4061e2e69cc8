import { z, type ZodType } from 'zod'
import { duration, identifier, integer, oneOrMany, size } from '../../core/options.ts'
import type { LateRows } from './horizon.ts'

/** What slices of a table are asked for, beside the address of the server. */
export interface SliceOptions {
  readonly mode: 'slices'
  readonly table?: string | undefined
  readonly column: readonly string[]
  readonly columns?: readonly string[] | undefined
  readonly where?: string | undefined
  readonly splitsFrom?: { readonly query: string; readonly interval: number } | undefined
  readonly start: 'earliest' | 'latest' | { readonly after: readonly string[] }
  readonly end: 'never' | 'latest'
  readonly interval: number
  readonly assignedBy: 'server' | 'application'
  readonly timeZone?: string | undefined
  readonly safeLag?: number | undefined
  readonly nulls: 'fail' | 'ignore'
  readonly auditAfter: number | 'never'
  readonly lateRows: 'fail' | 'warn'
  readonly initialSlices: number
  readonly pageRows: number
  readonly connections: number
  readonly readAhead: number
}

const value = z.union([z.string(), z.int().transform(String)])

/** The fields of the option tables of all sources that slice tables. */
export function sliceFields(): { [K in keyof SliceOptions]-?: ZodType<SliceOptions[K]> } {
  return {
    mode: z.literal('slices').default('slices').describe('Reads a table by a column whose values rise.'),
    table: identifier()
      .optional()
      .describe('Table to read, `schema.table` where needed.')
      .meta({ examples: ['orders'] }),
    column: oneOrMany(identifier())
      .describe('Column whose values rise, or several that rise together. The primary key decides between equals.')
      .meta({ examples: ['id', ['updated_at', 'id']] }),
    columns: z.array(identifier()).min(1).optional().describe('Columns to read, in this order; default: all.'),
    where: z
      .string()
      .min(1)
      .optional()
      .describe('SQL condition of the server that rows have to meet.')
      .meta({ examples: ["region = 'eu'"] }),
    splitsFrom: z
      .strictObject({
        query: z
          .string()
          .min(1)
          .describe('Query whose rows are splits: `split` names one, `table` and `where` are its own.'),
        interval: duration({ minMs: 100 }).prefault('30s').describe('Pause between two looks.'),
      })
      .optional()
      .describe('Splits that are listed in a table; other columns stand in `where` as `:column`.')
      .meta({ examples: [{ query: 'SELECT tenant AS split, tenant FROM tenants', interval: '30s' }] }),
    start: z
      .union([z.enum(['earliest', 'latest']), z.strictObject({ after: oneOrMany(value) })])
      .default('earliest')
      .describe('Where the very first start begins: earliest, latest, or {after: value}.'),
    end: z
      .enum(['never', 'latest'])
      .default('never')
      .describe('never: goes on with new rows. latest: ends with what the table holds at the start.'),
    interval: duration({ minMs: 10 }).prefault('1s').describe('Pause between two looks for new rows.'),
    assignedBy: z
      .enum(['server', 'application'])
      .default('server')
      .describe(
        'Who gives the column its values; the server does it with auto_increment, identity or a clock default.',
      ),
    timeZone: identifier(64)
      .optional()
      .describe('Zone of the clock that fills a column of times without a zone; default: the server’s.')
      .meta({ examples: ['+00:00'] }),
    safeLag: duration()
      .optional()
      .describe(
        'Rows are read when they are so old, in place of waiting for open transactions: for servers that cannot tell.',
      ),
    nulls: z.enum(['fail', 'ignore']).default('fail').describe('Rows whose column is NULL: refused, or never read.'),
    auditAfter: z
      .union([z.literal('never'), duration({ minMs: 100 })])
      .prefault('1m')
      .describe('When rows that were read are counted again, to notice rows that came late.'),
    lateRows: z.enum(['fail', 'warn']).default('fail').describe('What follows when rows came late.'),
    initialSlices: integer({ min: 1, max: 256 })
      .default(16)
      .describe('Ranges that the rows of the first start are read in, in parallel.'),
    pageRows: integer({ min: 1, max: 10_000_000 }).default(100_000).describe('Rows of one query at the most.'),
    connections: integer({ min: 1, max: 64 }).default(2).describe('Queries that a lane runs at a time.'),
    readAhead: size({ minBytes: 1 }).prefault('8MiB').describe('Bytes that a lane reads ahead.'),
  }
}

/** How late rows are kept out, as the options say. */
export function lateRowsOf({ safeLag, assignedBy }: Pick<SliceOptions, 'safeLag' | 'assignedBy'>): LateRows {
  if (safeLag !== undefined) return { kind: 'lag', lagMs: safeLag }
  return { kind: 'wait', isAnyTransaction: assignedBy === 'application' }
}
