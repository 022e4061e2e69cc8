/** Batches and DuckDB: bytes in, SQL, bytes out, with exact values. */
export { ColumnPage } from './column-page.ts'
export {
  END,
  innerColumns,
  MICROS,
  START,
  type AggregateWork,
  type EventTimeWork,
  type InnerColumn,
  type Window,
} from './aggregate-work.ts'
export {
  type AggregatesAsk,
  type CompiledAggregates,
  type NamedFinding,
  type PartColumn,
} from './compile-aggregates.ts'
export { joinColumns, type JoinSide, type JoinWork } from './join-work.ts'
export type { DeduplicateWork } from './deduplicate-work.ts'
export { keyGroupSql, keyLane, keyLaneSql, keyTextSql } from './key-groups.ts'
export { LaneDatabase, openLaneDatabase, type LaneDatabaseOptions } from './lane-database.ts'
export type { NonFinite, QueryOutput, ZoneText } from './output.ts'
export { ParquetAppender } from './parquet-append.ts'
export { constantPages, countedPages, type MadeColumn, type MadePages } from './parquet-made.ts'
export { BYTE_ARRAY, INT64, plainParquet, TIMESTAMP_MICROS, UTF8, type PlainColumn } from './parquet-plain.ts'
export { openQuery, Query, type QueryDefinition, type QueryResult } from './query.ts'
export type { CsvDialect, InputRelation } from './relation.ts'
export { withoutRows, type BytesPiece } from './bytes-piece.ts'
export type { RowError } from './row-error.ts'
export { quoteName, quoteText } from './sql-text.ts'
export { takingOf, type Taking } from './json-takings.ts'
export { findInvalidText, TextColumns, type TextFault, type TextPage } from './text-columns.ts'
export * from './types.ts'
export { SLACK as WASM_SLACK, WasmColumns } from './wasm-columns.ts'
export { webAssembly, type WasmNumber } from '../core/web-assembly.ts'
