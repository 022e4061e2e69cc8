import { z, type ZodType } from 'zod'
import { duration } from '../core/options.ts'

/** Transforms that bring streams together and take rows apart. */

/** How streams come together whose columns differ. */
export interface UnionOptions {
  readonly missing: 'fail' | 'null'
}

/** What becomes of a list. */
export interface ExplodeOptions {
  readonly column: string
  /** The type of the elements, or the columns of elements that are objects. */
  readonly as: string | Readonly<Record<string, string>>
  readonly position?: string | undefined
  readonly empty: 'drop' | 'keep'
}

const text = z.string().min(1)

export const unionOptions: ZodType<UnionOptions> = z
  .strictObject({
    missing: z
      .enum(['fail', 'null'])
      .prefault('fail')
      .describe('A column that some of the streams do not have: a mistake, or NULL in their rows.'),
  })
  .describe('Rows of several streams as one, columns by their names.')

export const explodeOptions: ZodType<ExplodeOptions> = z
  .strictObject({
    column: text.describe('A json column with an array.'),
    as: z
      .union([text, z.record(text, text)])
      .describe('The type of its elements, or, of objects, columns and types: {sku: varchar, quantity: integer}.'),
    position: text.optional().describe('A column for the number of the element, from 0.'),
    empty: z
      .enum(['drop', 'keep'])
      .prefault('drop')
      .describe('Rows whose array is empty or NULL: they are filtered, or stay with NULL.'),
  })
  .describe('A row for each element of an array.')

/** Rows of two streams that belong together. Durations in milliseconds. */
export interface JoinOptions {
  readonly with: string
  /** Column of the left rows → column of the right rows. */
  readonly on: Readonly<Record<string, string>>
  readonly within: { readonly before: number; readonly after: number }
  readonly watermark: {
    readonly column: string
    readonly withColumn?: string | undefined
    readonly delay: number
    readonly idle?: number | undefined
  }
  /** Name in the result → column of the right rows. */
  readonly columns: Readonly<Record<string, string>>
  readonly kind: 'inner' | 'left'
  readonly drop: readonly JoinRest[]
}

/** Outputs of a join for rows that find no partner. */
export type JoinRest = (typeof JOIN_RESTS)[number]
const JOIN_RESTS = ['unmatched.left', 'unmatched.right', 'late.left', 'late.right'] as const

const some = (columns: object): boolean => Object.keys(columns).length > 0

export const joinOptions: ZodType<JoinOptions> = z
  .strictObject({
    with: text.describe('The other stream, the right side: an id or `id.branch`. `from` is the left side.'),
    on: z
      .union([text.transform((name) => ({ [name]: name })), z.record(text, text)])
      .refine(some, 'must name at least one column')
      .describe('Columns of the left and of the right side that are equal: {id: order_id}, or one name for both.'),
    within: z
      .strictObject({
        before: duration().prefault('0s').describe('So much earlier than its left row a right row may be.'),
        after: duration().prefault('0s').describe('So much later than its left row a right row may be.'),
      })
      .describe('How far apart rows that belong together are, by event time.'),
    watermark: z
      .strictObject({
        column: text.describe('The column with the moment of a left row: timestamp, timestamptz or date.'),
        withColumn: text.optional().describe('That of a right row; default: the same name.'),
        delay: duration().prefault('0s').describe('How much older than the newest row of its split a row may be.'),
        idle: duration({ minMs: 1 })
          .optional()
          .describe('A split without rows for so long does not hold event time back.'),
      })
      .describe('How event time goes on: past the newest row of every split of both sides, less the delay.'),
    columns: z
      .union([
        z
          .array(text)
          .min(1)
          .transform((names) => Object.fromEntries(names.map((name) => [name, name]))),
        z.record(text, text),
      ])
      .refine(some, 'must name at least one column')
      .describe('Columns of the right rows in the result: [name], or {paid_at: at} under another name.'),
    kind: z
      .enum(['inner', 'left'])
      .prefault('inner')
      .describe('left: left rows without a partner go on with NULL instead of leaving by `<id>.unmatched.left`.'),
    drop: z
      .array(z.enum(JOIN_RESTS))
      .prefault([])
      .describe('Outputs `<id>.…` that nobody wants: their rows are filtered. All others have to be read.'),
  })
  .describe('Pairs of rows of two streams, by key and event time.')
