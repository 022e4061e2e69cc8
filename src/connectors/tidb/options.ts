import { z, type ZodType } from 'zod'
import { serverFields, sliceFields, type ServerOptions, type SliceOptions } from '../../clients/sql-slices/index.ts'

export type TidbSourceOptions = ServerOptions & SliceOptions

/** The options of the source `tidb`. */
export const tidbSourceOptions: ZodType<TidbSourceOptions> = z.strictObject({
  ...serverFields('mysql'),
  ...sliceFields(),
})
