/**
 * Why a row cannot be carried. It names the column and the class of the mistake, never the value.
 *
 * `byteStart` and `byteEnd` are the row's place in the piece that was handed in, without its separator.
 */
export interface RowError {
  /** Number of the row in the piece, from 0. */
  readonly row: number
  readonly byteStart: number
  readonly byteEnd: number
  /** Empty when the whole row is at fault. */
  readonly column: string
  readonly reason: string
  /** The row could be decoded; an expression fails on it. */
  readonly isOfSql?: boolean
}
