/** Apache Iceberg tables: metadata, manifests, catalogs, and which files a scan has to read. Rows are read elsewhere. */
export { newestMetadata, type MetadataDirectory } from './hadoop-table.ts'
export type { ContentFile } from './manifest.ts'
export { parseTransform } from './partition-transform.ts'
export { dealPieces, type Piece, type StripePlan } from './pieces.ts'
export { rangesMayMatch, type ValueRange } from './pruning.ts'
export { RestCatalog, type LoadedTable, type RestCatalogOptions, type VendedStorage } from './rest-catalog.ts'
export type { RowDeletes } from './row-deletes.ts'
export {
  columnsById,
  mayHoldRows,
  planAppend,
  planChanges,
  planScan,
  type ScanTask,
  type TableView,
} from './scan-plan.ts'
export { partitionScalar, type Scalar } from './scalar.ts'
export { chooseSnapshot, snapshotsAfter, type SnapshotChoice } from './snapshots.ts'
export { parseTableMetadata, type Snapshot, type TableMetadata } from './table-metadata.ts'
export { formatType, type IcebergField, type IcebergType } from './types.ts'
export { bindWhatBinds, bindWhere, columnsOfWhere, type Where } from './where.ts'
export { parseWhere } from './where-text.ts'
