import type { Json } from '../core/json.ts'

/** Bad records go to a sink without `from`, instead of ending the job. */
export type DeadLetterInput = {
  readonly to: string
  readonly maxRows?: number
  readonly maxRatio?: number
}

/** A source of `definePipeline`: its connector, its columns and the connector's options (`millrace connectors <name>`). */
export interface SourceInput {
  readonly connector: string
  readonly schema?: Readonly<Record<string, string>>
  readonly deadLetter?: DeadLetterInput
  readonly [option: string]: Json | undefined
}

/** What can be read: the id of a source or transform, or a branch of a route (`orders.paid`). */
export type From<Id extends string> = Id | `${Id}.${string}`

interface Reads<Id extends string> {
  readonly from: From<Id> | readonly From<Id>[]
}

interface WatermarkInput {
  readonly column: string
  /** Durations are texts such as `30s`. */
  readonly delay?: string
  readonly idle?: string
}

type WindowInput =
  | { readonly tumbling: string; readonly offset?: string }
  | { readonly hopping: string; readonly every: string; readonly offset?: string }
  | { readonly cumulative: string; readonly every: string; readonly offset?: string }
  | { readonly session: string }

/** Results by key and window. Windows need a watermark. */
export type AggregateInput = {
  readonly groupBy?: string | readonly string[]
  readonly emit?: { readonly every: string }
  /** SQL over aggregate functions, by the column that it makes. */
  readonly aggregates: Readonly<Record<string, string>>
} & (
  | { readonly window: WindowInput; readonly watermark: WatermarkInput; readonly lateness?: string }
  | { readonly window?: never; readonly lateness?: never; readonly watermark?: WatermarkInput }
)

/** The first row of each key. */
export interface DeduplicateInput {
  readonly key: string | readonly string[]
  readonly ttl: string
  readonly watermark?: WatermarkInput
}

/** Columns of a table for rows that have its key. */
export interface LookupInput {
  /** A connector and its options: a read that ends, or one that can be asked for keys. */
  readonly table: SourceInput
  /** Column of the rows → column of the table, or one name for both. */
  readonly on: string | Readonly<Record<string, string>>
  readonly columns: readonly string[] | Readonly<Record<string, string>>
  readonly missing?: 'null' | 'drop' | 'fail'
  readonly refresh?: string
  /** Ask for the keys of the rows as they come. Sizes are texts such as `32MiB`. */
  readonly onDemand?: {
    readonly cache?: string
    readonly ttl?: string
    readonly missingTtl?: string
    readonly keys?: number
  }
}

/** A row for each element of a JSON array. */
export interface ExplodeInput {
  readonly column: string
  /** The type of the elements, or the columns of elements that are objects. */
  readonly as: string | Readonly<Record<string, string>>
  readonly position?: string
  readonly empty?: 'drop' | 'keep'
}

/** Pairs of rows of two streams, by key and event time. */
export interface JoinInput<Id extends string> {
  /** The right side; `from` is the left one. */
  readonly with: From<Id>
  readonly on: string | Readonly<Record<string, string>>
  /** How much earlier and later than its left row a right row may be. */
  readonly within: { readonly before?: string; readonly after?: string }
  /** `withColumn` has the moment of a right row; default: the same name. */
  readonly watermark: WatermarkInput & { readonly withColumn?: string }
  readonly columns: readonly string[] | Readonly<Record<string, string>>
  readonly kind?: 'inner' | 'left'
  readonly drop?: readonly ('unmatched.left' | 'unmatched.right' | 'late.left' | 'late.right')[]
}

/** A transform of `definePipeline`; each has exactly one of the kinds. */
export type TransformInput<Id extends string> = Reads<Id> & { readonly deadLetter?: DeadLetterInput } & (
    | { readonly sql: string }
    | { readonly filter: string }
    | { readonly map: Readonly<Record<string, string | null>> }
    | { readonly route: Readonly<Record<string, string>> }
    | { readonly module: string; readonly schema?: Readonly<Record<string, string>> }
    | { readonly aggregate: AggregateInput }
    | { readonly deduplicate: DeduplicateInput }
    | { readonly lookup: LookupInput }
    | { readonly explode: ExplodeInput }
    | { readonly join: JoinInput<Id> }
    | { readonly union: { readonly missing?: 'fail' | 'null' } }
  )

/** A sink that takes dead letters has no `from`. */
export interface SinkInput<Id extends string> extends Partial<Reads<Id>> {
  readonly connector: string
  readonly deadLetter?: DeadLetterInput
  readonly [option: string]: Json | undefined
}

export interface PipelineInput<SourceId extends string, TransformId extends string> {
  readonly name: string
  readonly was?: string | readonly string[]
  readonly delivery?: 'exactly-once' | 'atomic' | 'exact' | 'convergent' | 'at-least-once'
  readonly accept?: string | readonly string[]
  readonly parallelism?: number
  readonly memoryLimit?: string
  readonly checkpoint?: {
    readonly interval?: string
    readonly timeout?: string
    readonly maxDowntime?: string
    readonly storage?: string
    readonly retained?: number
  }
  readonly sources: Readonly<Record<SourceId, SourceInput>>
  readonly transforms?: Readonly<Record<TransformId, TransformInput<NoInfer<SourceId | TransformId>>>>
  readonly sinks: Readonly<Record<string, SinkInput<NoInfer<SourceId | TransformId>>>>
  readonly s3?: {
    readonly endpoint?: string
    readonly region?: string
    readonly pathStyle?: boolean
    readonly flavor?: 's3' | 'oss'
  }
}

/**
 * A pipeline in TypeScript: the same value as in YAML, `from` checked by the compiler against the ids that are there.
 * Use it as `export default definePipeline({ … })`. Options are checked by `millrace check`, like those of YAML.
 */
export function definePipeline<const SourceId extends string, const TransformId extends string = never>(
  pipeline: PipelineInput<SourceId, TransformId>,
): PipelineInput<SourceId, TransformId> {
  return pipeline
}
