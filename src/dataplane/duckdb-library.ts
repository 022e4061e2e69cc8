/** DuckDB's package behind a module of ours, which a bundle can import late by the names that it exports. */
export { DuckDBInstance } from '@duckdb/node-api'
