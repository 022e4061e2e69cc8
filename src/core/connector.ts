import type { ZodType } from 'zod'
import type { BodyFormat } from './batch.ts'
import type { CheckpointTimes } from './context.ts'
import type { Delivery } from './delivery.ts'
import type { Finding } from './checkpoint-types.ts'
import type { OpenStore } from './file-store.ts'
import type { JsonObject } from './json.ts'
import type { KeyedAsk, KeyedReader } from './keyed-reader.ts'
import type { Schema } from './schema.ts'
import type { Sink } from './sink.ts'
import type { Source } from './source.ts'

/**
 * A connector: one folder, one value. Options are declared once with zod (descriptions, examples, defaults); checking,
 * help, documentation and the JSON Schema all come from that declaration. Client libraries are imported inside `create`,
 * so that a pipeline pays only for the connectors it uses.
 */
export interface Connector {
  readonly name: string
  /** One sentence for `millrace connectors`. */
  readonly summary: string
  readonly source?: SourceConnector
  readonly sink?: SinkConnector
}

/** `O` is what `options` makes of the user's text; the engine keeps it opaque and hands it back. */
export interface SourceConnector<O = unknown> {
  readonly options: ZodType<O>
  /** What the source can say before anything is connected. */
  describe(options: O, ask: SourceAsk): SourceDescription
  /**
   * Columns that the source itself knows (a table, a Parquet file), asked for when the pipeline names none. `undefined`
   * when it cannot tell; throws when what it would have to look at cannot be read.
   */
  discoverSchema?(options: O, baseDirectory: string, openStore: OpenStore): Promise<Schema | undefined>
  create(options: O): Promise<Source>
  /**
   * How its dead letters are read again, each by itself. Absent: they are JSON, as its records or as rows of its columns.
   *
   * @throws MillraceError `CONFIG` where one record alone means nothing.
   */
  openRedrive?(options: O, baseDirectory: string): Promise<Redrive>
  /** Opens it for rows of given keys, for lookups on demand. Absent: it can only be read whole. */
  openKeyed?(options: O, ask: KeyedAsk): Promise<KeyedReader>
}

/** Dead letters as records of a file. */
export interface Redrive {
  /** The option `format` of the source `file`. */
  readonly format: string | JsonObject
  /** Makes a record of JSON of the bytes that the source read; absent: they are records as they are. */
  readonly decode?: (raw: Uint8Array) => Promise<Decoded>
}

export type Decoded = { readonly row: Uint8Array } | { readonly fault: string }

export interface SourceAsk {
  /** Schema from the pipeline file, if given. */
  readonly schema: Schema | undefined
}

export interface SourceDescription {
  readonly delivery: Delivery
  /** True when the source ends by itself. */
  readonly bounded: boolean
  /** Bodies that the reader can give, best first. */
  readonly gives: readonly BodyFormat['kind'][]
  /** The encoding of its records, when it gives bytes. */
  readonly format: 'json' | 'csv' | 'raw' | 'parquet'
  /** Metadata columns that SQL may use beside the schema. */
  readonly metadata: Schema
  /** Splits may move to another lane at a checkpoint when one reads much more than the others. */
  readonly rebalance?: boolean
  /** Rows of several tables: only sinks of several tables can read it, and nothing in between. */
  readonly tables?: boolean
  /** Its reader decodes the records itself, and hands those that it cannot decode over beside the rows. */
  readonly setsAside?: boolean
  /** Its reader leaves out parts by `LaneContext.prune`. */
  readonly prunes?: boolean
  readonly findings: readonly Finding[]
}

export interface SinkConnector<O = unknown> {
  readonly options: ZodType<O>
  describe(options: O, ask: SinkAsk): SinkDescription
  create(options: O): Promise<Sink>
}

export interface SinkAsk {
  /** The schema of the rows, where the plan knows it (absent for bytes that are passed through). */
  readonly schema: Schema | undefined
  readonly lanes: number
  readonly times: CheckpointTimes
  /** The promise that the pipeline asks for. `at-least-once` lets the sink save its second phase. */
  readonly delivery: 'two-phase' | 'at-least-once'
  /** Assumptions that the user has accepted by name: what they promise need not be worked for. */
  readonly accepted?: readonly string[]
}

export interface SinkDescription {
  readonly delivery: Delivery
  /** The bodies that it takes, best first. Bytes may be passed through when the source's encoding is the same. */
  readonly takes: readonly BodyFormat[]
  /** Takes rows of several tables, each to a table of its own, as its option `routes` says. */
  readonly tables?: boolean
  /** How many writers the sink wants; `lanes`: one in each lane. */
  readonly writers: number | 'lanes'
  /** What the sink will compute of its rows: the plan makes sure that each is one row-wise SQL expression over them. */
  readonly expressions?: readonly SinkExpression[]
  /** How rows are to be shared out over several lanes; absent: each stays in the lane that read it. */
  readonly routing?: Routing
  readonly findings: readonly Finding[]
}

/** Rows go to a lane by the value of their key. With one lane there is nothing to share out. */
export interface Routing {
  /** SQL expressions over the rows, none of them a floating-point number. */
  readonly key: readonly string[]
  /**
   * - `must`: all rows of a key go to one lane, and those of one split in their order.
   * - `may`: they go to one lane where that is worth it, as measured; a key with too many rows for a lane is scattered.
   */
  readonly together: 'must' | 'may'
  /** With `may`: so many bytes of a key, in each lane and checkpoint, are as good in every lane as in one. */
  readonly enoughBytes?: number
  /** Why, for `explain`. */
  readonly why: string
}

export interface SinkExpression {
  readonly sql: string
  /** Where it stands in the sink's options. */
  readonly path: readonly (string | number)[]
}
