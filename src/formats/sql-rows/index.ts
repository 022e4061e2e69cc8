/** Rows of the lane's DuckDB, or JSON lines, as texts for SQL statements of other servers. */
export { openJsonTexts } from './json-texts.ts'
export { openRowTexts, type EncodedRows, type RowLayout } from './row-encoder.ts'
export { mysqlText, postgresText } from './sql-text.ts'
