import type { BodyFormat } from '../core/batch.ts'
import type { Finding } from '../core/checkpoint-types.ts'
import type { Routing } from '../core/connector.ts'
import type { CheckpointTimes } from '../core/context.ts'
import type { DeadLetterRoute } from '../core/dead-letters.ts'
import type { Delivery } from '../core/delivery.ts'
import type { JsonObject } from '../core/json.ts'
import type { S3Options } from '../core/options.ts'
import type { Schema } from '../core/schema.ts'
import type { AggregateWork, EventTimeWork, InnerColumn } from '../dataplane/aggregate-work.ts'
import type { DeduplicateWork } from '../dataplane/deduplicate-work.ts'
import type { JoinWork } from '../dataplane/join-work.ts'

/**
 * A checked pipeline: what will run, with nothing left to decide. Plain data: it is printed by `explain` and handed to
 * the lanes as it is (so options are still text here, secrets included; every thread checks them again into values).
 */
export interface Plan {
  readonly name: string
  /** Former names whose state this pipeline takes over. */
  readonly was: readonly string[]
  readonly parallelism: number
  /** Bytes that the process may hold; absent: what the machine suggests. */
  readonly memoryLimitBytes?: number
  /** The effective class: that of the weakest link. */
  readonly delivery: Delivery
  /** `two-phase` unless the pipeline asks for `at-least-once`. */
  readonly mode: 'two-phase' | 'at-least-once'
  readonly times: CheckpointTimes
  /** Absolute directory or `s3://` address of the checkpoint store; the pipeline's state is a folder of its own in it. */
  readonly storage: string
  /** Object storage, for the checkpoints and for components that say nothing of their own. */
  readonly s3?: S3Options | undefined
  /** Absolute directory of the pipeline file. */
  readonly baseDirectory: string
  /** Steps in the order of the flow: every step stands after those it reads from. */
  readonly steps: readonly Step[]
  /** Hash over what restored state depends on: ids, connectors and targets. Not over SQL, schemas, tuning or secrets. */
  readonly fingerprint: string
  /** Where the bad records of a source, transform or sink go, by its id. */
  readonly deadLetters?: Readonly<Record<string, DeadLetterRoute>>
  /** How often these records are driven in; absent: for the first time. */
  readonly attempt?: number
  readonly findings: readonly Finding[]
}

export type Step =
  | SourceStep
  | LettersStep
  | QueryStep
  | ModuleStep
  | LookupStep
  | ExplodeStep
  | PartialStep
  | AggregateStep
  | IntakeStep
  | DeduplicateStep
  | JoinIntakeStep
  | JoinStep
  | ExchangeStep
  | SinkStep

/** Where the batches of an output go. Several edges: each receives every batch. */
export interface Edge {
  readonly to: string
}

export interface SourceStep {
  readonly kind: 'source'
  readonly id: string
  readonly connector: string
  readonly options: JsonObject
  readonly bounded: boolean
  /** Of its records; absent where bytes are passed through undescribed. */
  readonly schema: Schema | undefined
  /** What the reader has to give. */
  readonly gives: BodyFormat
  /** The encoding of its bytes, for the step that decodes them. */
  readonly format: 'json' | 'csv' | 'raw' | 'parquet'
  /** Metadata columns to fill, for example `_offset`. */
  readonly metadata: readonly string[]
  /** Columns whose values are read; absent: all. A reader of tables may give NULL for the others. */
  readonly reads?: readonly string[]
  /** A condition that holds for every row that anybody keeps: what holds no such row may be left out. */
  readonly prune?: string
  /** Splits may move between lanes. */
  readonly rebalance?: boolean
  /** Its rows belong to several tables. */
  readonly tables?: boolean
  readonly delivery: Delivery
  readonly outputs: readonly Edge[]
}

/** Where dead letters enter the flow, as lines of JSON. */
export interface LettersStep {
  readonly kind: 'letters'
  readonly id: string
  /** The sink that they go to. */
  readonly sink: string
  readonly outputs: readonly Edge[]
}

/**
 * Row-wise SQL over one batch: decodes the input once, runs a chain of SELECTs, encodes each output as its consumer wants
 * it. The planner fuses neighbouring `sql`, `filter`, `map` and `route` transforms into one query step.
 */
export interface QueryStep {
  readonly kind: 'query'
  readonly id: string
  /** How the input arrives and what it means. */
  readonly input: {
    readonly format: BodyFormat
    readonly encoding: 'json' | 'csv' | 'raw' | 'parquet'
    readonly schema: Schema
  }
  /** Metadata columns of the input that the SQL uses. */
  readonly metadata: Schema
  /** Name under which the first SELECT knows the input. */
  readonly relation: string
  /** Each SELECT reads the relation of the input or of an earlier one. */
  readonly selects: readonly { readonly name: string; readonly sql: string; readonly schema: Schema }[]
  readonly outputs: readonly QueryOutput[]
  /** Whose dead letters the rows are on which the SQL fails. */
  readonly deadLetter?: string
}

export interface QueryOutput {
  /** Name of the SELECT (or of the input relation) whose rows leave here. */
  readonly select: string
  readonly format: BodyFormat
  readonly schema: Schema
  readonly edges: readonly Edge[]
}

/** The user's own TypeScript function: rows in, rows out. */
export interface ModuleStep {
  readonly kind: 'module'
  readonly id: string
  /** Absolute path, checked to lie in the pipeline's directory. */
  readonly file: string
  readonly input: Schema
  readonly schema: Schema
  /** Rows leave as objects or encoded for the consumer. */
  readonly outputs: readonly Edge[]
}

/** Adds columns of a table, which every lane reads whole. Takes and gives tables. */
export interface LookupStep {
  readonly kind: 'lookup'
  readonly id: string
  readonly input: Schema
  readonly schema: Schema
  /** Column of the rows, and the column of the table that it has to be equal to. */
  readonly on: readonly { readonly row: string; readonly column: string }[]
  /** What the rows get, under which name. */
  readonly columns: readonly { readonly name: string; readonly column: string }[]
  readonly missing: 'null' | 'drop' | 'fail'
  /** The table may get so old; absent: it is read at the start only. */
  readonly refreshMs?: number
  /** The table is asked for the keys of each batch, in place of being read whole. */
  readonly onDemand?: {
    readonly cacheBytes: number
    readonly ttlMs: number
    readonly missingTtlMs: number
    readonly batchKeys: number
  }
  readonly table: Pick<SourceStep, 'connector' | 'options' | 'gives' | 'format'> & { readonly schema: Schema }
  readonly outputs: readonly Edge[]
}

/** A row for each element of a JSON array. Takes and gives tables. */
export interface ExplodeStep {
  readonly kind: 'explode'
  readonly id: string
  readonly input: Schema
  readonly schema: Schema
  /** The column with the array. */
  readonly list: string
  /** Columns that take its place: one for whole elements, or those of their fields. */
  readonly elements: Schema
  readonly isWhole: boolean
  /** A column for the number of the element. */
  readonly position?: string
  readonly keepsEmpty: boolean
  readonly outputs: readonly Edge[]
}

/**
 * Shares rows out to all lanes by their key: what follows is another stage, with rows of every lane. Takes and gives
 * tables.
 */
export interface ExchangeStep {
  readonly kind: 'exchange'
  readonly id: string
  readonly routing: Routing
  readonly schema: Schema
  /** Columns that never leave the lanes, of any of DuckDB's types, in place of those of the schema. */
  readonly inner?: readonly InnerColumn[]
  readonly outputs: readonly Edge[]
}

/** The first half of an `aggregate`: gathers rows by group and window in the lane that reads them. Takes and gives tables. */
export interface PartialStep {
  readonly kind: 'partial'
  readonly id: string
  readonly work: AggregateWork
  /** Whose rows come here: what of them is still to come decides about event time. */
  readonly sources: readonly string[]
  readonly outputs: readonly Edge[]
  /** Where rows go that no open window takes. */
  readonly late: readonly Edge[]
}

/** The second half, in the lane that keeps the key. Gives results when a barrier comes. */
export interface AggregateStep {
  readonly kind: 'aggregate'
  readonly id: string
  readonly work: AggregateWork
  readonly outputs: readonly Edge[]
}

/** In front of a `deduplicate` by event time, in the lane that reads the rows: tells the time and takes late rows out. */
export interface IntakeStep {
  readonly kind: 'intake'
  readonly id: string
  readonly work: DeduplicateWork & { readonly time: EventTimeWork }
  readonly sources: readonly string[]
  readonly outputs: readonly Edge[]
  readonly late: readonly Edge[]
}

/** Lets the first row of each key pass, in the lane that keeps the key. */
export interface DeduplicateStep {
  readonly kind: 'deduplicate'
  readonly id: string
  readonly work: DeduplicateWork
  readonly outputs: readonly Edge[]
}

/** In front of a `join`, in the lane that reads the rows of a side: tells the time and takes late rows out. */
export interface JoinIntakeStep {
  readonly kind: 'join-intake'
  readonly id: string
  readonly work: JoinWork
  readonly side: 'left' | 'right'
  /** Of both sides: one event time is for all. */
  readonly sources: readonly string[]
  readonly outputs: readonly Edge[]
  readonly late: readonly Edge[]
}

/** Pairs rows of both sides, in the lane that keeps the key. */
export interface JoinStep {
  readonly kind: 'join'
  readonly id: string
  readonly work: JoinWork
  readonly outputs: readonly Edge[]
  /** Where rows go that found no partner. */
  readonly unmatchedLeft: readonly Edge[]
  readonly unmatchedRight: readonly Edge[]
}

export interface SinkStep {
  readonly kind: 'sink'
  readonly id: string
  readonly connector: string
  readonly options: JsonObject
  readonly takes: BodyFormat
  readonly schema: Schema | undefined
  readonly writers: number | 'lanes'
  /** Its rows belong to several tables. */
  readonly tables?: boolean
  readonly delivery: Delivery
}

/** True where a step keeps something from one checkpoint to the next. */
export function keepsState({ steps }: Plan): boolean {
  return steps.some(isKeyed)
}

export function isKeyed(step: Step): step is AggregateStep | DeduplicateStep | JoinStep {
  return step.kind === 'aggregate' || step.kind === 'deduplicate' || step.kind === 'join'
}
