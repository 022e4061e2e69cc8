import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'
import type { CompiledAggregates, NamedFinding } from '../dataplane/compile-aggregates.ts'

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
  /** Comparisons of columns with values, all of which hold for every row that it gives. */
  readonly keeps: readonly string[]
}

/** What an `aggregate` wants to have computed of rows. */
export interface AggregatesQuestion {
  readonly rows: Schema
  readonly groupBy: Schema
  /** Column with the moment of each row in microseconds, where there is one. */
  readonly time: string | undefined
  readonly aggregates: Readonly<Record<string, string>>
}

/** Asks DuckDB whether a statement is one row-wise SELECT, and what comes out. Reads no data. */
export interface SqlChecker {
  /** Findings have no path: the caller knows where the SQL stands. */
  check(sql: string, relations: readonly SqlRelation[], metadata: Schema): Promise<CheckedSql | readonly Finding[]>
  /** Takes aggregates apart, so that they can be computed piece by piece. */
  aggregates(question: AggregatesQuestion): Promise<CompiledAggregates | { readonly findings: readonly NamedFinding[] }>
}
