import type { RowError } from './row-error.ts'

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

const NEWLINE = 0x0a

/**
 * Cuts rows that end in newlines into pieces of at most `bytesMax`; a longer row is a piece of its own. The pieces share
 * the buffer.
 */
export function* cutAtRows(piece: BytesPiece, bytesMax: number): Generator<BytesPiece> {
  if (piece.length <= bytesMax) {
    yield piece
    return
  }
  const { buffer, length } = piece
  for (let start = 0; start < length;) {
    let end = start
    let rows = 0
    while (end < length) {
      const newline = buffer.indexOf(NEWLINE, end)
      const next = newline === -1 || newline >= length ? length : newline + 1
      if (rows > 0 && next - start > bytesMax) break
      end = next
      rows++
    }
    yield { buffer: buffer.subarray(start, end), length: end - start, rows }
    start = end
  }
}
