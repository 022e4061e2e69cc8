/** Tables that are read slice by slice along a column whose values rise: one engine, a dialect for each kind of server. */
export { describeSlices } from './describe.ts'
export type { SliceDialect, SliceSession } from './dialect.ts'
export { discoverSliceSchema } from './discover-schema.ts'
export { mysqlDialect, tidbDialect } from './mysql-dialect.ts'
export { sliceFields, type SliceOptions } from './options.ts'
export { postgresDialect } from './postgres-dialect.ts'
export { addressOf, serverFields, type ServerOptions } from './server.ts'
export { SliceSource } from './source.ts'
