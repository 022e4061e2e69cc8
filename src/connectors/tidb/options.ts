import { z, type ZodType } from 'zod'
import { identifier } from '../../core/options.ts'
import { sqlSinkFields, type SqlSinkOptions } from '../../clients/sql/options.ts'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type TidbSourceOptions = ServerOptions & SliceOptions

/** The options of the source `tidb`. */
export const tidbSourceOptions: ZodType<TidbSourceOptions> = z.strictObject({
  ...serverFields('mysql'),
  ...sliceFields(),
})

export type TidbSinkOptions = ServerOptions & SqlSinkOptions

/** The options of the sink `tidb`. */
export const tidbSinkOptions: ZodType<TidbSinkOptions> = z.strictObject({
  ...serverFields('mysql'),
  username: identifier().describe('User; it writes the table and creates others beside it.'),
  ...sqlSinkFields(1000),
})
