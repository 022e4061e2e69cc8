import { z, type ZodType } from 'zod'
import { duration, oneOrMany } from '../core/options.ts'

/** Transforms that keep something by key. All durations in milliseconds. */
export interface WatermarkOptions {
  readonly column: string
  readonly delay: number
  readonly idle?: number | undefined
}

export interface WindowOptions {
  readonly tumbling?: number | undefined
  readonly hopping?: number | undefined
  readonly cumulative?: number | undefined
  readonly session?: number | undefined
  readonly every?: number | undefined
  readonly offset?: number | undefined
}

export interface AggregateOptions {
  readonly groupBy: readonly string[]
  readonly window?: WindowOptions | undefined
  readonly watermark?: WatermarkOptions | undefined
  readonly lateness?: number | undefined
  readonly emit?: { readonly every: number } | undefined
  readonly aggregates: Readonly<Record<string, string>>
}

export interface DeduplicateOptions {
  readonly key: readonly string[]
  readonly ttl: number
  readonly watermark?: WatermarkOptions | undefined
}

const column = z.string().min(1)
const positive = (): ZodType<number, string> => duration({ minMs: 1 })

const watermark = z
  .strictObject({
    column: column.describe('The column with the moment of a row: timestamp, timestamptz or date.'),
    delay: duration().prefault('0s').describe('How much older than the newest row of its split a row may be.'),
    idle: positive().optional().describe('A split without rows for so long does not hold event time back.'),
  })
  .describe('How event time goes on: past the newest row of every split, less the delay.')

const WINDOWS = ['tumbling', 'hopping', 'cumulative', 'session'] as const

const window = z
  .strictObject({
    tumbling: positive().optional().describe('Windows of this length, one after the other.'),
    hopping: positive().optional().describe('Windows of this length, one beginning with each `every`.'),
    cumulative: positive().optional().describe('Windows that grow by `every` up to this length, then begin anew.'),
    session: positive().optional().describe('A window ends when the key has had no rows for so long.'),
    every: positive().optional().describe('Of hopping and cumulative windows.'),
    offset: duration().optional().describe('Windows begin so much after full multiples of their length (UTC).'),
  })
  .superRefine((given, context) => {
    const kinds = WINDOWS.filter((kind) => given[kind] !== undefined)
    const refuse = (message: string, path: readonly string[] = []): void =>
      context.addIssue({ code: 'custom', message, path: [...path] })
    const [kind] = kinds
    if (kind === undefined || kinds.length > 1) return refuse(`expected exactly one of ${WINDOWS.join(', ')}`)
    const size = given[kind] ?? 0
    const hasEvery = kind === 'hopping' || kind === 'cumulative'
    if (hasEvery && given.every === undefined) return refuse(`${kind} windows need \`every\``)
    if (!hasEvery && given.every !== undefined) return refuse(`${kind} windows have no \`every\``, ['every'])
    if ((given.every ?? 0) > size) return refuse(`must be at most the length of the window`, ['every'])
    if (kind === 'cumulative' && size % (given.every ?? size) !== 0) {
      return refuse('the length of the window must be a multiple of it', ['every'])
    }
    if (given.offset === undefined) return undefined
    if (kind === 'session') return refuse('session windows have no offset', ['offset'])
    if (given.offset >= size) return refuse('must be less than the length of the window', ['offset'])
    return undefined
  })
  .describe('Which rows of a key belong together. Without it, all of them.')

export const aggregateOptions: ZodType<AggregateOptions> = z.strictObject({
  groupBy: oneOrMany(column).prefault([]).describe('Columns: one result for each of their values (and window).'),
  window: window.optional(),
  watermark: watermark.optional(),
  lateness: duration().optional().describe('So long after its end a window still takes rows and gives another result.'),
  emit: z
    .strictObject({
      every: positive().describe('Give results of open windows so often; without windows: results not more often.'),
    })
    .optional()
    .describe('When results come that do not wait for the end of a window.'),
  aggregates: z
    .record(column, z.string().min(1))
    .describe(
      'SQL over aggregate functions, by the column that it makes: {orders: "count(*)", revenue: "sum(amount)"}.',
    ),
})

export const deduplicateOptions: ZodType<DeduplicateOptions> = z.strictObject({
  key: oneOrMany(column).describe('Columns: of rows with the same values in all of them only the first goes on.'),
  ttl: positive().describe('How long a key is remembered.'),
  watermark: watermark
    .optional()
    .describe('Remember by the time of the rows. Without it, by the time of this machine when they came.'),
})
