/** PostgreSQL: connections with exact values and typed errors. */
export { PostgresConnection, type PostgresAddress, type PostgresResult, type PostgresSession } from './connection.ts'
export { PostgresRows } from './rows.ts'
export { sqlStateOf } from './errors.ts'
export { quotePostgresName, quotePostgresText } from './quote.ts'
