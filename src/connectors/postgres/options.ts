import { z, type ZodType } from 'zod'
import { identifier } from '../../core/options.ts'
import { sqlSinkFields, type SqlSinkOptions } from '../../clients/sql/options.ts'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type PostgresSourceOptions = ServerOptions & SliceOptions

/** The options of the source `postgres`. */
export const postgresSourceOptions: ZodType<PostgresSourceOptions> = z.strictObject({
  ...serverFields('postgres'),
  ...sliceFields(),
})

export interface PostgresSinkOptions extends ServerOptions, SqlSinkOptions {
  readonly schema: string
}

/** The options of the sink `postgres`. */
export const postgresSinkOptions: ZodType<PostgresSinkOptions> = z.strictObject({
  ...serverFields('postgres'),
  username: identifier().describe('User; it writes the table and creates others beside it.'),
  schema: identifier(63).default('public').describe('Schema of the table.'),
  ...sqlSinkFields(2000),
})
