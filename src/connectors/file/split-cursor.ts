import type { Batch, SplitEnd, SplitId } from '../../core/batch.ts'
import type { FileSpec } from './split.ts'

/** Reads one split; the only reader of its file. Calls never overlap. */
export interface SplitCursor {
  readonly split: SplitId
  readonly spec: FileSpec
  /** Bytes of the file that are read or wait in front of us. */
  readonly bytesRead: number
  /** The next batch, the end of the split, or `undefined` when there is nothing now. */
  next(): Promise<Batch | SplitEnd | undefined>
  /** Names that the open file still has, 0 when it was removed; `undefined` when it is not open. */
  links(): Promise<number | undefined>
  /** The file cannot grow any more: what stands at its end is a whole record. */
  endWhereItEnds(): void
  close(): Promise<void>
}
