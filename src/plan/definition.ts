import { z, type ZodType } from 'zod'
import type { DeadLetterRoute } from '../core/dead-letters.ts'
import { DELIVERY_CLASSES, type DeliveryClass } from '../core/delivery.ts'
import { duration, integer, oneOrMany, path, s3, size, type S3Options } from '../core/options.ts'
import {
  aggregateOptions,
  deduplicateOptions,
  type AggregateOptions,
  type DeduplicateOptions,
} from './keyed-definition.ts'
import { lookupOptions, type LookupOptions } from './lookup-definition.ts'
import {
  explodeOptions,
  joinOptions,
  unionOptions,
  type ExplodeOptions,
  type JoinOptions,
  type UnionOptions,
} from './stream-definition.ts'

/*
 * Everything of a pipeline file that is not a connector's option. The JSON Schema of editors is made from these
 * declarations too, so descriptions are written for users.
 */

/** Ids of sources, transforms and sinks: they name state, so they stay for ever. */
export const ID: RegExp = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/

const id = z.string().regex(ID, 'expected letters, digits, _ and -, beginning with a letter, at most 63 characters')

const checkpoint = z
  .strictObject({
    interval: duration({ minMs: 100 }).prefault('10s').describe('Time between two checkpoints.'),
    timeout: duration({ minMs: 1000 }).prefault('1m').describe('A checkpoint that takes longer fails.'),
    maxDowntime: duration()
      .prefault('12h')
      .describe('How long the job must survive being down; the preflight rules need it.'),
    storage: path().prefault('./.millrace').describe('Directory or s3://bucket/prefix for checkpoints.'),
    retained: integer({ min: 1, max: 1000 }).prefault(3).describe('Confirmed checkpoints that are kept.'),
  })
  .describe('When the state is saved, and where.')

const columns = z
  .record(z.string().min(1), z.string())
  .describe('Column names and SQL types, for example {id: bigint, amount: "decimal(12,2)"}.')

export interface PipelineDefinition {
  readonly name: string
  readonly was?: readonly string[] | undefined
  readonly delivery: 'exactly-once' | DeliveryClass
  readonly accept?: readonly string[] | undefined
  readonly parallelism?: number | undefined
  readonly memoryLimit?: number | undefined
  readonly checkpoint: {
    readonly interval: number
    readonly timeout: number
    readonly maxDowntime: number
    readonly storage: string
    readonly retained: number
  }
  readonly sources: Readonly<Record<string, unknown>>
  readonly transforms?: Readonly<Record<string, unknown>> | undefined
  readonly sinks: Readonly<Record<string, unknown>>
  readonly s3?: S3Options | undefined
}

export const pipelineSchema: ZodType<PipelineDefinition> = z.strictObject({
  name: id.describe('The identity of the state, for ever. To rename, keep the old name in `was`.'),
  was: oneOrMany(id).optional().describe('Former names whose state this pipeline takes over.'),
  delivery: z
    .enum(['exactly-once', ...DELIVERY_CLASSES])
    .prefault('exactly-once')
    .describe('The least that must be promised; weaker plans are refused. exactly-once is `exact` or better.'),
  accept: oneOrMany(z.string()).optional().describe('Assumptions that the delivery class may stand on, by name.'),
  parallelism: integer({ min: 1, max: 1024 }).optional().describe('Lanes (worker threads); default: cores.'),
  memoryLimit: size({ minBytes: 256 * 1024 * 1024 })
    .optional()
    .describe('What the process may hold; default: 2 GiB and 1 GiB for each lane, within 80 % of the machine.'),
  checkpoint: checkpoint.prefault({}),
  sources: z.record(id, z.unknown()).describe('What is read, by id.'),
  transforms: z.record(id, z.unknown()).optional().describe('What happens to the rows, by id.'),
  sinks: z.record(id, z.unknown()).describe('What is written, by id.'),
  s3: s3().optional(),
})

const deadLetter = z
  .strictObject({
    to: id.describe('The sink that takes them. It has no `from`.'),
    maxRows: integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
      .optional()
      .describe('The job halts when there were more; default: any number.'),
    maxRatio: z
      .number()
      .gt(0)
      .max(1)
      .default(0.1)
      .describe('The job halts when more of the records that were read are bad. Judged from 1,000 records on.'),
  })
  .optional()
  .describe('Bad records are put aside, as a part of the same checkpoint, instead of ending the job.')

/** What every source has beside its connector's options. */
export interface SourceFrame {
  readonly connector: string
  readonly schema?: Readonly<Record<string, string>> | undefined
  readonly deadLetter?: DeadLetterRoute | undefined
}

export const sourceFrame: ZodType<SourceFrame> = z.strictObject({
  connector: z.string().describe('What to read from; `millrace connectors` lists them.'),
  schema: columns.optional(),
  deadLetter,
})

const from = oneOrMany(z.string()).describe(
  'Where the rows come from: an id, `id.branch` of a route, or a list of equal schemas.',
)

/** What every sink has beside its connector's options. */
export interface SinkFrame {
  readonly connector: string
  readonly from: readonly string[]
  readonly deadLetter?: DeadLetterRoute | undefined
}

export const sinkFrame: ZodType<SinkFrame> = z.strictObject({
  connector: z.string().describe('What to write to; `millrace connectors` lists them.'),
  from,
  deadLetter,
})

interface TransformOptions {
  readonly sql: { readonly from: readonly string[]; readonly sql: string }
  readonly filter: { readonly from: readonly string[]; readonly filter: string }
  readonly map: { readonly from: readonly string[]; readonly map: Readonly<Record<string, string | null>> }
  readonly route: { readonly from: readonly string[]; readonly route: Readonly<Record<string, string>> }
  readonly module: {
    readonly from: readonly string[]
    readonly module: string
    readonly schema?: Readonly<Record<string, string>> | undefined
  }
  readonly aggregate: { readonly from: readonly string[]; readonly aggregate: AggregateOptions }
  readonly deduplicate: { readonly from: readonly string[]; readonly deduplicate: DeduplicateOptions }
  readonly lookup: { readonly from: readonly string[]; readonly lookup: LookupOptions }
  readonly union: { readonly from: readonly string[]; readonly union: UnionOptions }
  readonly explode: { readonly from: readonly string[]; readonly explode: ExplodeOptions }
  /** `from` has both sides, the left one first. */
  readonly join: { readonly from: readonly string[]; readonly join: JoinOptions }
}

export type TransformKind = keyof TransformOptions
export type Transform = {
  [K in TransformKind]: { readonly kind: K } & WithDeadLetters<TransformOptions[K]>
}[TransformKind]

type WithDeadLetters<T> = T & { readonly deadLetter?: DeadLetterRoute | undefined }

const expression = z.string().min(1)

export const transformSchemas: { readonly [K in TransformKind]: ZodType<WithDeadLetters<TransformOptions[K]>> } = {
  sql: z.strictObject({
    from,
    sql: z.string().min(1).describe('One row-wise SELECT; the input is known by its id (`input` for a list).'),
    deadLetter,
  }),
  filter: z.strictObject({
    from,
    filter: expression.describe('SQL condition; rows for which it is true go on.'),
    deadLetter,
  }),
  map: z.strictObject({
    from,
    map: z
      .record(z.string().min(1), z.union([z.string().min(1), z.null()]))
      .describe('SQL expression per column: replaces the column or adds it at the end; null drops it. Others stay.'),
    deadLetter,
  }),
  route: z.strictObject({
    from,
    route: z
      .record(id, expression)
      .describe('SQL condition per branch; a row goes to the first that is true, else to `<id>.default`.'),
    deadLetter,
  }),
  module: z.strictObject({
    from,
    module: path().describe('TypeScript file in the pipeline’s directory; its default export maps rows to rows.'),
    schema: columns.optional(),
    deadLetter,
  }),
  aggregate: z.strictObject({
    from,
    aggregate: aggregateOptions.describe(
      'Results by key and window, kept over restarts; late rows leave by `<id>.late`.',
    ),
  }),
  deduplicate: z.strictObject({
    from,
    deduplicate: deduplicateOptions.describe(
      'The first row of each key; with a watermark, late rows leave by `<id>.late`.',
    ),
  }),
  lookup: z.strictObject({
    from,
    lookup: lookupOptions.describe('Columns of a table for rows that have its key.'),
    deadLetter,
  }),
  union: z.strictObject({
    from: z.array(z.string()).min(2, 'a union has two inputs or more').describe('The streams that become one.'),
    union: unionOptions,
  }),
  explode: z.strictObject({ from, explode: explodeOptions, deadLetter }),
  join: z
    .strictObject({ from: z.string().describe('The left side.'), join: joinOptions })
    .transform(({ from: left, join }) => ({ from: [left, join.with], join })),
}
