/** Rows of the lane's DuckDB as texts for SQL statements of other servers. */
export { openRowTexts, type EncodedRows, type RowLayout } from './row-encoder.ts'
export { mysqlText, postgresText } from './sql-text.ts'
