/**
 * A client for logical replication of PostgreSQL 13 and later, without the engine.
 *
 *   PgConnection        logs in (SCRAM-SHA-256, md5, TLS), runs statements, streams rows, COPY in both directions
 *   ReplicationStream   messages of a slot; the server is told what it may forget by `confirm` only
 *   pgoutput            reads those messages: transactions, relations, rows
 *   Tuple, writeRow     rows as JSON text, exact, straight from the bytes of a message or of a SELECT
 *   TypeCatalog         types, tables and keys as the catalog has them
 *   Snapshot            which transactions a SELECT has seen
 *   slot                replication slots and publications
 */
export { exposureOf, parsePgAddress, type PgAddress } from './address.ts'
export { MESSAGE, PgConnection, type PgConnectionOptions, type PgRow } from './connection.ts'
export { formatLsn, parseLsn, sortableLsn, type Lsn } from './lsn.ts'
export {
  CHANGE,
  readBegin,
  readCommitEnd,
  readRelation,
  readTruncate,
  TUPLE,
  type Begin,
  type Relation,
} from './pgoutput.ts'
export { ReplicationStream } from './replication-stream.ts'
export { roomFor, UnspeakableValue, writeRow, type LineTarget, type Supplied } from './row-lines.ts'
export { columnsOf, rowShape, type RowShape, type SourceColumn } from './row-shape.ts'
export { readServerMessage, serverError, sqlStateOf } from './server-error.ts'
export * from './slot.ts'
export { Snapshot } from './snapshot.ts'
export { quoteName, quoteText } from './sql-text.ts'
export {
  fingerprintOfTables,
  readTable,
  readTables,
  tableNameOf,
  TypeCatalog,
  type KeyColumn,
  type PgTable,
} from './table-catalog.ts'
export { columnOf, FORM, formOf } from './types.ts'
export { NULL, Tuple, UNCHANGED } from './tuple.ts'
export { UNSPEAKABLE, writeValue } from './value-text.ts'
