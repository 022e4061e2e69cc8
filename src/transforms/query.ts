import type { Batch } from '../core/batch.ts'
import type { QueryWork } from './step.ts'
import type { LaneOperator, OperatorContext, OperatorOutput } from './operator.ts'
import { QueryInput } from './query-input.ts'
import { QueryBranch } from './query-output.ts'

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
    const made = await this.#run(batch)
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
  async #run(batch: Batch): Promise<Batch[]> {
    const made: Batch[] = []
    try {
      const piece = await this.#input?.stage(batch)
      for (const branch of this.#branches) made.push(await branch.run(batch, piece))
      return made
    } catch (thrown) {
      for (const result of made) result.release()
      throw thrown
    } finally {
      batch.release()
    }
  }
}
