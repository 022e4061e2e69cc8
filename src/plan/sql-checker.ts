import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'

/** A relation that SQL may read. */
export interface SqlRelation {
  readonly name: string
  readonly schema: Schema
}

/** What a SELECT gives, and which columns and offered metadata columns it reads. */
export interface CheckedSql {
  readonly schema: Schema
  readonly reads: readonly string[]
  readonly metadata: readonly string[]
}

/** Asks DuckDB whether a statement is one row-wise SELECT, and what comes out. Reads no data. */
export interface SqlChecker {
  /** Findings have no path: the caller knows where the SQL stands. */
  check(sql: string, relations: readonly SqlRelation[], metadata: Schema): Promise<CheckedSql | readonly Finding[]>
}
