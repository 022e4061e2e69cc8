import type { BodyFormat } from './batch.ts'
import type { FileStore, OpenStore } from './file-store.ts'
import type { Schema } from './schema.ts'

/** One line for people and machines: what happened, to what, with counts. Never row values, never secrets. */
export interface Logger {
  debug(message: string, detail?: Readonly<Record<string, unknown>>): void
  info(message: string, detail?: Readonly<Record<string, unknown>>): void
  warn(message: string, detail?: Readonly<Record<string, unknown>>): void
  error(message: string, detail?: Readonly<Record<string, unknown>>): void
}

/** The only clock of connectors: tests and the simulator bring their own. */
export interface Clock {
  /** Milliseconds since the epoch, for names and alarms only, never for deciding who wins. */
  now(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `action` once, `ms` from now, unless the function that it returns is called before. */
  after(ms: number, action: () => void): () => void
}

/** Counters that connectors report; the runtime turns them into metrics. */
export interface Meter {
  /** Adds to a counter such as `loads` with labels such as `{ result: 'ok' }`. */
  count(name: MeterName, by: number, labels?: Readonly<Record<string, string>>): void
  /** Observes a duration in seconds. */
  observe(name: MeterTimer, seconds: number): void
}
export type MeterName = 'loads'
export type MeterTimer = 'load_seconds' | 'visibility_lag_seconds'

/** What every part of a connector gets. */
export interface ConnectorContext {
  /** The pipeline's name: the state identity for ever. */
  readonly job: string
  /** The id of this source or sink in the pipeline. */
  readonly id: string
  /** Directory of the pipeline file; relative paths in options are resolved against it. */
  readonly baseDirectory: string
  readonly log: Logger
  readonly clock: Clock
  readonly openStore: OpenStore
}

/** The rules of the preflight need these durations (milliseconds). */
export interface CheckpointTimes {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly maxDowntimeMs: number
  readonly retained: number
}

export interface PreflightContext extends ConnectorContext {
  readonly times: CheckpointTimes
  /** What the sink will be given; for a source, what it is declared to give. */
  readonly schema: Schema | undefined
  readonly lanes: number
}

export interface SourceContext extends ConnectorContext {
  readonly times: CheckpointTimes
}

export interface CoordinatorContext extends ConnectorContext {
  readonly times: CheckpointTimes
  readonly schema: Schema | undefined
  readonly lanes: number
  readonly delivery: 'two-phase' | 'at-least-once'
  readonly openStaging?: OpenStaging
}

/** Where a sink keeps rows until they are confirmed: files beside the checkpoint log, made when it is first opened. */
export type OpenStaging = () => Promise<FileStore>

/** The lane's DuckDB, opened when the first step asks for it. Its type is the data plane's; core only hands it on. */
export type LaneDatabaseHandle = object

/** Lanes boot before their run has an epoch: names that need one come with the ticket of a checkpoint. */
export interface LaneContext extends ConnectorContext {
  readonly lane: number
  readonly lanes: number
  readonly meter: Meter
  readonly times: CheckpointTimes
  readonly delivery: 'two-phase' | 'at-least-once'
  /** What a reader has to give, or what a writer will be given. */
  readonly format: BodyFormat
  readonly schema: Schema | undefined
  /** Metadata columns that the plan uses, such as `_offset`; a reader fills only these. */
  readonly metadata: readonly string[]
  /** Rows of several tables: batches name theirs, and changes of shape travel between them. */
  readonly tables?: boolean
  /** Columns whose values somebody reads; absent: all. A reader of tables may give NULL for the others. */
  readonly reads?: readonly string[] | undefined
  /**
   * A condition that holds for every row that anybody keeps, such as `"id" >= 100 AND "region" = 'eu'`: comparisons, IN,
   * IS NULL, AND, OR. A reader may leave out what holds no such row; other rows may come all the same.
   */
  readonly prune?: string | undefined
  /**
   * Bad records are put aside, not halted at: a reader hands on all that it can cut out as a record, to who decodes it, or
   * beside its rows where it decodes itself (`Batch.unread`).
   */
  readonly takesBroken?: boolean
  /** SQL makes tables of all that a reader gives. A query costs something of its own, so that larger batches cost less. */
  readonly isForSql?: boolean
  /** Somebody has dead letters: a reader that makes rows of other bytes keeps those (`Batch.rawOf`). */
  readonly keepsRaw?: boolean
  readonly openStaging?: OpenStaging
  database(): Promise<LaneDatabaseHandle>
}
