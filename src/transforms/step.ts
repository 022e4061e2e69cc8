import type { BodyFormat } from '../core/batch.ts'
import type { Schema } from '../core/schema.ts'

/** What the query operator needs of its step in the plan (`QueryStep`, where the edges are as well). */
export interface QueryWork {
  readonly id: string
  readonly input: {
    readonly format: BodyFormat
    readonly encoding: 'json' | 'csv' | 'raw' | 'parquet'
    readonly schema: Schema
  }
  readonly metadata: Schema
  /** Name under which the first SELECT knows the input. */
  readonly relation: string
  /** Each SELECT reads the relation of the input or of an earlier one. */
  readonly selects: readonly { readonly name: string; readonly sql: string }[]
  readonly outputs: readonly QueryWorkOutput[]
}

export interface QueryWorkOutput {
  /** Name of the SELECT (or of the input relation) whose rows leave here. */
  readonly select: string
  readonly format: BodyFormat
  readonly schema: Schema
}

/** What the module operator needs of its step in the plan (`ModuleStep`). */
export interface ModuleWork {
  readonly id: string
  readonly file: string
  readonly input: Schema
  readonly schema: Schema
}
