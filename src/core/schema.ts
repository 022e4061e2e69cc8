/**
 * One column of a schema. `type` is the SQL name that DuckDB uses, in lower case, for example `bigint`,
 * `decimal(12,2)`, `timestamp(3)`, `varchar`.
 */
export interface Column {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

/** The shape of the rows on an edge of the plan, in column order. */
export type Schema = readonly Column[]
