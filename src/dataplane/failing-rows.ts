import type { BytesPiece } from './bytes-piece.ts'
import type { RowError } from './row-error.ts'

/** Bad rows are reported up to this many at once: the caller takes them out and runs again. */
export const ROW_ERRORS_MAX = 100

const NEWLINE = 0x0a

/** Runs some of the rows and says why they fail, or nothing. */
export type Attempt = (part: BytesPiece) => Promise<{ column: string; reason: string } | undefined>

/**
 * Names the rows that make a query fail: DuckDB's message does not tell the row, so the piece is halved until single
 * rows are left. Costs about `log2(rows)` runs for each bad row; it happens only on bad data.
 */
export async function findFailingRows(piece: BytesPiece, attempt: Attempt): Promise<RowError[]> {
  const starts = rowStarts(piece.buffer, piece.length)
  const errors: RowError[] = []
  const search = async (from: number, to: number): Promise<void> => {
    if (from >= to || errors.length >= ROW_ERRORS_MAX) return
    const start = starts[from] ?? 0
    const buffer = piece.buffer.subarray(start, Math.min(starts[to] ?? piece.length, piece.length))
    const fault = await attempt({ buffer, length: buffer.length, rows: to - from })
    if (fault === undefined) return
    if (to - from === 1) {
      errors.push({ row: from, byteStart: start, byteEnd: (starts[to] ?? 1) - 1, isOfSql: true, ...fault })
      return
    }
    const middle = (from + to) >>> 1
    await search(from, middle)
    await search(middle, to)
  }
  await search(0, starts.length - 1)
  return errors
}

/** Where each row starts, and one more entry for the end of the last row with its separator. */
function rowStarts(buffer: Buffer, length: number): number[] {
  const starts = [0]
  for (let at = 0; at < length;) {
    const end = buffer.indexOf(NEWLINE, at)
    at = end === -1 || end >= length ? length + 1 : end + 1
    starts.push(at)
  }
  return starts
}
