/** Writing into SQL servers: pages by key, staged checkpoints, and the control table that fences and proves. */
export { describeSqlSink } from './describe-sink.ts'
export { MysqlDialect } from './mysql-dialect.ts'
export { sqlSinkFields, type SqlSinkOptions } from './options.ts'
export { PostgresDialect } from './postgres-dialect.ts'
export { SqlSink } from './sql-sink.ts'
