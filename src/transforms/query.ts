import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import { withoutRows, type BytesPiece, type RowError } from '../dataplane/index.ts'
import type { QueryWork } from './step.ts'
import type { LaneOperator, OperatorContext, OperatorOutput } from './operator.ts'
import { faultsOf, QueryInput, type LeaveOut } from './query-input.ts'
import { QueryBranch } from './query-output.ts'
import { poisonError, rowBefore, RowsAtFault, type RecordFault } from './record-place.ts'

/** Row-wise SQL over one batch at a time, in the lane's DuckDB. */
export function createQueryOperator(step: QueryWork, context: OperatorContext): LaneOperator {
  return new QueryOperator(step, context)
}

class QueryOperator implements LaneOperator {
  readonly #step: QueryWork
  readonly #context: OperatorContext
  #input: QueryInput | undefined
  #branches: QueryBranch[] = []

  constructor(step: QueryWork, context: OperatorContext) {
    this.#step = step
    this.#context = context
  }

  async open(): Promise<void> {
    const database = await this.#context.database()
    const input = await QueryInput.open(this.#step, database)
    this.#input = input
    for (const index of this.#step.outputs.keys()) {
      this.#branches.push(await QueryBranch.open(this.#step, index, database, input))
    }
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    const made = await this.#run(batch, out)
    try {
      for (const [index, result] of made.entries()) {
        if (result.rows === 0) continue
        // From here on the consumer owns it.
        made[index] = { ...result, release() {} }
        await out.emit(index, result)
      }
    } finally {
      for (const left of made) left.release()
    }
  }

  async close(): Promise<void> {
    this.#input?.close()
    for (const branch of this.#branches) branch.close()
    this.#branches = []
  }

  /** Everything that comes of the batch: nothing is emitted before the last output has succeeded. */
  async #run(batch: Batch, out: OperatorOutput): Promise<Batch[]> {
    const { setAside } = out
    const aside: RecordFault[] = []
    let piece: BytesPiece | undefined
    try {
      for (;;) {
        // By their numbers in the piece.
        const leftOut: RowError[] = []
        try {
          piece ??= this.#input?.piece(batch)
          const leaveOut = setAside && ((rows: readonly RowError[]) => void leftOut.push(...rows))
          const made = piece?.rows === 0 ? [] : await this.#runOn(batch, piece, leaveOut)
          const isWhole = aside.length === 0
          aside.push(...inBatch(faultsOf(leftOut, isWhole ? piece : undefined), aside))
          if (aside.length > 0) await setAside?.(aside.toSorted((left, right) => left.row - right.row))
          return made
        } catch (thrown) {
          if (!(thrown instanceof RowsAtFault)) throw thrown
          if (setAside === undefined || piece === undefined) throw poisonError(this.#step.id, batch, thrown.faults)
          const faults = withLeftOut(thrown.faults, leftOut)
          aside.push(...inBatch(faults, aside))
          piece = withoutRows(piece, linesOf(piece, faults)).rest
        }
      }
    } finally {
      batch.release()
    }
  }

  async #runOn(batch: Batch, piece: BytesPiece | undefined, leaveOut: LeaveOut | undefined): Promise<Batch[]> {
    const made: Batch[] = []
    let left = 0
    const count =
      leaveOut &&
      ((rows: readonly RowError[]): void => {
        left += rows.length
        leaveOut(rows)
      })
    try {
      const staged = await this.#input?.stage(batch, piece, count)
      const rows = (piece?.rows ?? batch.rows) - left
      for (const branch of this.#branches) made.push(await branch.run(batch, staged, rows, leaveOut))
      return made
    } catch (thrown) {
      for (const result of made) result.release()
      throw thrown
    }
  }
}

/** Rows on which the SQL failed, in a table without those that could not be decoded, and these, in their order. */
function withLeftOut(faults: readonly RecordFault[], leftOut: readonly RowError[]): RecordFault[] {
  const gone = leftOut.map(({ row }) => row)
  const ofTable = faults.map((fault) => ({ ...fault, row: rowBefore(fault.row, gone) }))
  return [...ofTable, ...faultsOf(leftOut)].sort((left, right) => left.row - right.row)
}

/** Numbers of rows in what was left of a batch, as numbers in the whole batch. */
function inBatch(faults: readonly RecordFault[], aside: readonly RecordFault[]): RecordFault[] {
  const gone = aside.map(({ row }) => row).sort((left, right) => left - right)
  return faults.map((fault) => ({ ...fault, row: rowBefore(fault.row, gone) }))
}

const NEWLINE = 0x0a

/** Where rows stand in a piece. */
function linesOf(piece: BytesPiece, faults: readonly RecordFault[]): RowError[] {
  let row = 0
  let byteStart = 0
  return faults.map((fault) => {
    for (; row < fault.row; row++) byteStart = piece.buffer.indexOf(NEWLINE, byteStart) + 1
    const newline = piece.buffer.indexOf(NEWLINE, byteStart)
    const byteEnd = newline === -1 || newline >= piece.length ? piece.length : newline
    assert(byteStart < piece.length, 'a row at fault is one of the piece')
    return { ...fault, byteStart, byteEnd }
  })
}
