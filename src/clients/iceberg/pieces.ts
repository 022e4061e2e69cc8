import { createHash } from 'node:crypto'
import type { ScanTask } from './scan-plan.ts'

/** A range of one data file: the row groups that begin in it. */
export interface Piece {
  readonly task: ScanTask
  /** Bytes of the file; a row group belongs to the range in which it begins. */
  readonly start: number
  readonly end: number
}

/** The pieces of one snapshot, dealt out to stripes. The same input gives the same plan in every process. */
export interface StripePlan {
  readonly stripes: readonly (readonly Piece[])[]
  /** Tells one plan from another: positions only mean something inside of theirs. */
  readonly digest: string
}

const PIECE_BYTES_MIN = 4 * 1024 * 1024
const PIECE_BYTES_MAX = 64 * 1024 * 1024
/** Pieces for each stripe that a large table is cut into. */
const PIECES_PER_STRIPE = 4

/**
 * Cuts files where their row groups begin and deals the pieces out by size, the largest first, each to the stripe that
 * has least. `turn` says where the dealing begins, so that small snapshots do not all go to the first stripe.
 */
export function dealPieces(tasks: readonly ScanTask[], stripes: number, turn: number): StripePlan {
  const total = tasks.reduce((bytes, { file }) => bytes + file.size, 0)
  const wanted = Math.min(PIECE_BYTES_MAX, Math.max(PIECE_BYTES_MIN, total / (stripes * PIECES_PER_STRIPE)))
  const pieces = tasks.flatMap((task) => cut(task, wanted))
  const order = pieces.map((_, index) => index).sort((a, b) => sizeOf(pieces[b]) - sizeOf(pieces[a]) || a - b)
  const dealt = Array.from({ length: stripes }, () => ({ bytes: 0, indices: [] as number[] }))
  for (const index of order) {
    let least = turn % stripes
    for (let step = 1; step < stripes; step++) {
      const other = (turn + step) % stripes
      if ((dealt[other]?.bytes ?? 0) < (dealt[least]?.bytes ?? 0)) least = other
    }
    const stripe = dealt[least]
    // An empty file counts too, or all of them would go to one stripe.
    if (stripe !== undefined) stripe.bytes += sizeOf(pieces[index]) + 1
    stripe?.indices.push(index)
  }
  const inOrder = dealt.map(({ indices }) => indices.sort((a, b) => a - b).flatMap((index) => pieces[index] ?? []))
  return { stripes: inOrder, digest: digestOf(inOrder) }
}

function cut(task: ScanTask, wanted: number): readonly Piece[] {
  const { file } = task
  const starts: number[] = [0]
  for (const offset of inRange(file.splitOffsets ?? [], file.size)) {
    if (offset - (starts.at(-1) ?? 0) >= wanted && file.size - offset >= wanted / 2) starts.push(offset)
  }
  return starts.map((start, index) => ({ task, start, end: starts[index + 1] ?? file.size }))
}

/** Offsets that do not rise, or lie outside of the file, are ignored: some writers left wrong ones. */
function inRange(offsets: readonly number[], size: number): readonly number[] {
  const isGood = offsets.every((offset, index) => offset > (offsets[index - 1] ?? 0) && offset < size)
  return isGood ? offsets : []
}

function sizeOf(piece: Piece | undefined): number {
  return piece === undefined ? 0 : piece.end - piece.start
}

function digestOf(stripes: readonly (readonly Piece[])[]): string {
  const hash = createHash('sha256')
  for (const [stripe, pieces] of stripes.entries()) {
    for (const { task, start, end } of pieces) {
      hash.update(JSON.stringify([stripe, task.change, task.file.path, start, end, task.only !== undefined]))
    }
  }
  return hash.digest('hex').slice(0, 16)
}
