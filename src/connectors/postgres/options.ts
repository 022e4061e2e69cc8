import { z, type ZodType } from 'zod'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type PostgresSourceOptions = ServerOptions & SliceOptions

/** The options of the source `postgres`. */
export const postgresSourceOptions: ZodType<PostgresSourceOptions> = z.strictObject({
  ...serverFields('postgres'),
  ...sliceFields(),
})
