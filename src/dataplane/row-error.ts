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
}

/** A piece of rows in one of the bytes forms. Only the first `length` bytes of `buffer` belong to it. */
export interface BytesPiece {
  readonly buffer: Buffer
  readonly length: number
  readonly rows: number
}

/**
 * Takes rows out of a piece: the rest as a piece of its own, and the bytes of each row that was taken out, without
 * separators. `errors` are in the order of their rows, as all functions here return them.
 */
export function withoutRows(
  piece: BytesPiece,
  errors: readonly RowError[],
): { readonly rest: BytesPiece; readonly taken: readonly Buffer[] } {
  const kept: Buffer[] = []
  const taken: Buffer[] = []
  let at = 0
  let last = -1
  for (const { row, byteStart, byteEnd } of errors) {
    if (row === last) continue
    last = row
    kept.push(piece.buffer.subarray(at, byteStart))
    taken.push(Buffer.from(piece.buffer.subarray(byteStart, byteEnd)))
    at = Math.min(byteEnd + 1, piece.length)
  }
  kept.push(piece.buffer.subarray(at, piece.length))
  const buffer = Buffer.concat(kept)
  return { rest: { buffer, length: buffer.length, rows: piece.rows - taken.length }, taken }
}
