import { z, type ZodType } from 'zod'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type MysqlSourceOptions = ServerOptions & SliceOptions

/** The options of the source `mysql`. */
export const mysqlSourceOptions: ZodType<MysqlSourceOptions> = z.strictObject({
  ...serverFields('mysql'),
  ...sliceFields(),
})
