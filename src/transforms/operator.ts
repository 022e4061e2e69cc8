import type { Batch } from '../core/batch.ts'
import type { LaneDatabase } from '../dataplane/index.ts'

/** A transform in a lane. Calls never overlap. */
export interface LaneOperator {
  /** Called once before the first batch. */
  open(): Promise<void>
  /**
   * Takes the batch, emits what comes of it and releases it. Rows that are neither emitted nor at fault count as
   * filtered. Bad rows throw POISON with their place; nothing of the batch may have been emitted then.
   */
  process(batch: Batch, out: OperatorOutput): Promise<void>
  close(): Promise<void>
}

export interface OperatorOutput {
  /** Hands on to output number `output` of the step; resolves when the consumers have taken it (back-pressure). */
  emit(output: number, batch: Batch): Promise<void>
}

export interface OperatorContext {
  /** Absolute directory of the pipeline file; modules of the user lie in it. */
  readonly baseDirectory: string
  /** The lane's DuckDB, shared by its steps. */
  database(): Promise<LaneDatabase>
}
