import type { SchemaChange, SourceTable } from './changes.ts'
import type { JsonObject } from './json.ts'
import type { Schema } from './schema.ts'

/** Identity of a split inside its source, for example `clicks/3`. Stable over restarts. */
export type SplitId = string

/** Where to go on reading inside a split: the next record's place. Native words of the source inside. */
export interface SplitPosition {
  readonly split: SplitId
  readonly next: JsonObject
}

/**
 * Encoded records as they are sent on: each record's bytes, followed by one separator byte (also after the last one).
 * JSON rows carry no line feed inside, so that NDJSON readers and array bodies can both be made of them.
 */
export interface BytesBody {
  readonly kind: 'bytes'
  readonly buffer: Buffer
  /** Bytes used of `buffer`, the last separator included. */
  readonly length: number
  readonly separator: number
  /** End of each record (separator excluded), only where records may contain the separator (`format: raw`) or are traced. */
  readonly ends?: Uint32Array
  /** What the source knows about each record besides its value, only when the plan uses it. */
  readonly metadata?: RecordMetadata
}

/** Columns beside the records, in record order. A source fills those that the plan asked for. */
export interface RecordMetadata {
  readonly partition?: Int32Array
  readonly offset?: BigInt64Array
  /** Microseconds since the epoch. */
  readonly timestamp?: BigInt64Array
  readonly key?: readonly (Uint8Array | null)[]
  /** One JSON object text per record. */
  readonly headers?: readonly (string | null)[]
  /** Where the record was read from, for example a file name. */
  readonly file?: readonly string[]
}

/** Rows as a relation in the lane's DuckDB: the name of a temporary table that `release` drops. */
export interface TableBody {
  readonly kind: 'table'
  readonly relation: string
  readonly schema: Schema
  /** What the source knows about each row besides its columns, in row order: where it stands. */
  readonly metadata?: RecordMetadata
}

/** JavaScript objects, for the user's own functions only. int64 is bigint, decimals are text, bytes are `Uint8Array`. */
export interface RowsBody {
  readonly kind: 'rows'
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly schema: Schema
}

/** Rows as one Parquet file with the columns that its consumer described. */
export interface ParquetBody {
  readonly kind: 'parquet'
  readonly buffer: Buffer
  /** Bytes used of `buffer`. */
  readonly length: number
}

export type Body = BytesBody | TableBody | RowsBody | ParquetBody

/** A record that its reader could not make a row of. */
export interface UnreadRecord {
  /** Native words of the source, as dead letters have them: `offset`, or `row` and `offset`. */
  readonly position: JsonObject
  /** Names columns and classes of mistakes, never values. */
  readonly reason: string
  /** Empty when the whole record is at fault. */
  readonly column: string
  readonly raw: Uint8Array
}

/**
 * A few thousand to some hundred thousand records that travel together. A batch belongs to one split, so that every
 * error can name where it came from. Whoever consumes a batch calls `release` once: it gives buffers back to their pool.
 */
export interface Batch {
  readonly kind: 'batch'
  /** Empty for rows that came from several lanes: their positions stay in the lanes that read them. */
  readonly split: SplitId
  /** The position of the first record and the position after the last one. */
  readonly from: JsonObject
  readonly next: JsonObject
  readonly body: Body
  /** Where a source reads several tables: the one that all rows of this batch belong to, in the shape that they have. */
  readonly table?: SourceTable
  /** The rows have these columns of their table only (and those of the change); what the others hold stays as it is. */
  readonly partial?: readonly string[]
  /** Where a reader makes rows of other bytes: those that a row was made of, for dead letters; also after `release`. */
  readonly rawOf?: (row: number) => Uint8Array
  /** Records of the same range that became no rows, where somebody puts those aside (`takesBroken`). */
  readonly unread?: readonly UnreadRecord[]
  readonly rows: number
  /** When about the newest of the records happened, as the source tells: milliseconds since the epoch. */
  readonly eventMs?: number
  /** Size for budgets and rates: the bytes as they were read. */
  readonly bytes: number
  release(): void
}

/** Event time has passed `micros` in this split: no record below it follows. */
export interface Watermark {
  readonly kind: 'watermark'
  readonly split: SplitId
  readonly micros: bigint
}

/** The split has nothing to read now; it must not hold event time back. */
export interface Idle {
  readonly kind: 'idle'
  readonly split: SplitId
  /** Where the split stands now, when it moved on without records: a log in which others write. */
  readonly next?: JsonObject
}

/** Everything of a bounded split was emitted. `at` is its final position. Finished is not idle. */
export interface SplitEnd {
  readonly kind: 'split-end'
  readonly split: SplitId
  readonly at: JsonObject
}

/** What a reader emits; each item names its split. */
export type Item = Batch | Watermark | Idle | SplitEnd | SchemaChange

/** What body a step wants or gives. The planner makes both ends of an edge agree and puts conversions between. */
export type BodyFormat =
  | { readonly kind: 'bytes'; readonly format: 'json' | 'csv' | 'raw'; readonly separator: number }
  | { readonly kind: 'table' }
  | { readonly kind: 'rows' }
  | {
      readonly kind: 'parquet'
      /** The columns of the file in their order, each as DuckDB SQL over the columns of the rows. */
      readonly columns: readonly { readonly name: string; readonly sql: string }[]
      readonly compression: 'snappy' | 'zstd'
    }
