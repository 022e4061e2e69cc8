import { MillraceError } from '../../core/errors.ts'
import type { Column } from '../../dataplane/index.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { Cells } from './cells.ts'

/** Makes binary values of rows, one field after the other. */
export interface RowFormat {
  /** The columns that it wants as cells, in this order. */
  readonly columns: readonly Column[]
  /** Reads the cells of one row and appends its value. */
  encode(cells: Cells, out: ByteWriter): void
}

/** Writes the value that the cells stand at; it is not NULL. */
export type WriteCell = (cells: Cells, out: ByteWriter) => void

/** Columns and a schema that do not fit together. */
export function misfit(format: string, problems: readonly string[]): MillraceError {
  return new MillraceError(`making ${format} of rows: ${problems.join('; ')}`, { code: 'SCHEMA' })
}

/** A value that the type of its field cannot hold. Which row it is, the engine finds out. */
export function poison(column: string, what: string): MillraceError {
  return new MillraceError(`making a value of a row: the column ${column} has ${what}`, { code: 'POISON' })
}
