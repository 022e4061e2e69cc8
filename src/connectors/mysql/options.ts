import { z, type ZodType } from 'zod'
import { identifier } from '../../core/options.ts'
import { sqlSinkFields, type SqlSinkOptions } from '../../clients/sql/options.ts'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type MysqlSourceOptions = ServerOptions & SliceOptions

/** The options of the source `mysql`. */
export const mysqlSourceOptions: ZodType<MysqlSourceOptions> = z.strictObject({
  ...serverFields('mysql'),
  ...sliceFields(),
})

export type MysqlSinkOptions = ServerOptions & SqlSinkOptions

/** The options of the sink `mysql`. */
export const mysqlSinkOptions: ZodType<MysqlSinkOptions> = z.strictObject({
  ...serverFields('mysql'),
  username: identifier().describe('User; it writes the table and creates others beside it.'),
  ...sqlSinkFields(2000),
})
