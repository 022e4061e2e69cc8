import { z } from 'zod'
import { identifier, oneOrMany, path } from '../../core/options.ts'

export interface DuckdbSinkOptions {
  readonly path: string
  readonly table: string
  readonly key: readonly string[]
}

/** The options of the sink `duckdb`. */
export const duckdbSinkOptions: z.ZodType<DuckdbSinkOptions> = z.strictObject({
  path: path()
    .describe('The database file, made if it is missing; what is not committed yet waits in a folder beside it.')
    .meta({ examples: ['./clicks.duckdb'] }),
  table: identifier(128)
    .describe('The table, made if it is missing.')
    .meta({ examples: ['clicks'] }),
  key: oneOrMany(identifier(128))
    .default([])
    .describe('Columns whose values are there once: a new row takes the place of the old one. Default: rows are added.')
    .meta({ examples: [['id']] }),
})
