/** Parquet files, read in ranges: row groups and columns that are wanted, as tables of the lane's DuckDB. */
export type { ByteRanges } from './byte-ranges.ts'
export { chunkStatistics, type ChunkStatistics } from './chunk-statistics.ts'
export { elementTree, type ParquetElement } from './element-tree.ts'
export { exactCast } from './exact-cast.ts'
export type { FileType } from './file-type.ts'
export { readFooter, type ParquetColumn, type ParquetFooter, type ParquetRowGroup } from './footer.ts'
export { rowGroupColumn } from './row-group-file.ts'
export {
  columnTypes,
  FILE_ROW,
  loadAhead,
  loadRowGroup,
  RowGroupTables,
  type LoadedRowGroup,
  type RowSelect,
  type RowTable,
} from './row-group-tables.ts'
