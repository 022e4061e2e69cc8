import { z } from 'zod'
import { duration, identifier, integer, size } from '../../core/options.ts'
import { routesOption, type Route } from '../../core/routes.ts'
import { schemaChangeOption, type SchemaPolicies } from '../../core/schema-policy.ts'

/** The options that all SQL sinks have, beside the address of the server. */
export interface SqlSinkOptions {
  /** The one target, or `routes` to several. */
  readonly table?: string | undefined
  readonly routes?: readonly Route[] | undefined
  readonly createTables: boolean
  readonly schemaChange: SchemaPolicies
  readonly mode?: 'upsert' | 'transactional' | undefined
  readonly key: readonly string[]
  readonly version?: string | undefined
  readonly apply: 'transaction' | 'chunks'
  readonly connections: number
  readonly pageRows: number
  /** Bytes. */
  readonly pageBytes: number
  /** Milliseconds. */
  readonly flushInterval: number
  readonly createTable: boolean
}

/** Options of a sink of one table. */
export type TableSinkOptions = SqlSinkOptions & { readonly table: string }

/** `upsert` where the rows have a key, unless the pipeline says otherwise. */
export function modeOf({ mode, key }: Pick<SqlSinkOptions, 'mode' | 'key'>): 'upsert' | 'transactional' {
  return mode ?? (key.length > 0 ? 'upsert' : 'transactional')
}

/** The fields of the option tables of all SQL sinks. Servers differ in how many rows of a statement are best. */
export function sqlSinkFields(pageRows: number): { [K in keyof SqlSinkOptions]-?: z.ZodType<SqlSinkOptions[K]> } {
  return {
    table: identifier(64)
      .optional()
      .describe('Table to write.')
      .meta({ examples: ['orders'] }),
    routes: routesOption({ hasVersion: true }).optional(),
    createTables: z.boolean().default(true).describe('With routes: makes target tables that are missing.'),
    schemaChange: schemaChangeOption(),
    mode: z
      .enum(['upsert', 'transactional'])
      .optional()
      .describe(
        '`upsert`: rows are written as they arrive, by key. `transactional`: they are staged, and a checkpoint is applied as a whole when it is published. Default: `upsert` with a `key`, else `transactional`.',
      ),
    key: z
      .array(identifier(64))
      .default([])
      .describe('Columns of a primary or unique key of the table. Rows may carry `__op` (0 put, 1 delete).')
      .meta({ examples: [['id']] }),
    version: identifier(64)
      .optional()
      .describe('Column that rises with every change of a row: a row is replaced only by one whose value is not less.'),
    apply: z
      .enum(['transaction', 'chunks'])
      .default('transaction')
      .describe(
        'With `mode: transactional`: the whole checkpoint in one transaction, or in 64 ordered pieces for servers with limits.',
      ),
    connections: integer({ min: 1, max: 64 })
      .default(4)
      .describe('Connections of each lane that write at the same time.'),
    pageRows: integer({ min: 1, max: 100_000 }).default(pageRows).describe('Rows of a statement at most.'),
    pageBytes: size({ minBytes: 4096, maxBytes: 64 * 1024 * 1024 })
      .default(1024 * 1024)
      .describe('Size of a statement at which it is sent.'),
    flushInterval: duration({ minMs: 10 }).default(1000).describe('Rows wait so long at most for their page to fill.'),
    createTable: z
      .boolean()
      .default(false)
      .describe('Creates the table when it is missing, with types that hold the rows’ values.'),
  }
}
