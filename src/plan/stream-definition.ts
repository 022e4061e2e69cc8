import { z, type ZodType } from 'zod'

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
