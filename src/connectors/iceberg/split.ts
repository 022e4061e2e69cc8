import { assert } from '../../core/assert.ts'
import type { JsonObject } from '../../core/json.ts'

/**
 * The files of a table are dealt out to stripes, and a stripe is a split: it lives as long as the job, whatever
 * snapshots come. Which pieces of a snapshot are its own follows from the snapshot alone.
 */
export type StripeSpec = {
  readonly stripe: number
  readonly stripes: number
  /** The table’s identity, where its format knows one: a table made anew under the same name is another one. */
  readonly table: string | null
}

/** Where a stripe stands. */
export type StripePosition =
  /** Everything up to this snapshot was emitted; `null`: the table had none. */
  | { readonly snapshot: string | null; readonly done: true }
  | {
      readonly snapshot: string
      /** `all`: every row of the snapshot. `added`: what it changed. */
      readonly rows: 'all' | 'added'
      /** Tells the plan whose pieces are counted. */
      readonly plan: string
      readonly piece: number
      /** The next row of the piece’s file. */
      readonly row: number
    }

export function stripeSpec(json: JsonObject): StripeSpec {
  const { stripe, stripes, table } = json
  assert(
    Number.isSafeInteger(stripe) && Number.isSafeInteger(stripes) && (table === null || typeof table === 'string'),
    'a stripe has its number, their number and a table',
  )
  return json as StripeSpec
}

export function stripePosition(json: JsonObject): StripePosition {
  const { snapshot, done, rows, plan, piece, row } = json
  const isDone = done === true && (snapshot === null || typeof snapshot === 'string')
  const isInside =
    typeof snapshot === 'string' &&
    (rows === 'all' || rows === 'added') &&
    typeof plan === 'string' &&
    Number.isSafeInteger(piece) &&
    Number.isSafeInteger(row)
  assert(isDone || isInside, 'a position has a snapshot and a place in it, or says that it is done')
  return json as StripePosition
}
