import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { quoteName, type DeduplicateWork, type EventTimeWork, type LaneDatabase } from '../../dataplane/index.ts'
import type { KeyedContext, LaneOperator, OperatorBarrier, OperatorOutput } from '../operator.ts'
import { computing, makeTable, newTableName, tableBatch } from '../step-tables.ts'
import { microsSql } from '../event-micros.ts'

/** Outputs of the step. */
const TIMELY = 0
const LATE = 1

/**
 * In front of a `deduplicate` by event time, in the lane that reads the rows: tells how late it is, and takes out the rows
 * whose key may be forgotten already, because nobody can tell any more whether they came before.
 */
export function createIntakeOperator(
  work: DeduplicateWork & { time: EventTimeWork },
  context: KeyedContext,
): LaneOperator {
  return new IntakeOperator(work, context)
}

class IntakeOperator implements LaneOperator {
  readonly #work: DeduplicateWork & { time: EventTimeWork }
  readonly #context: KeyedContext
  #database: LaneDatabase | undefined
  #closed: bigint | undefined

  constructor(work: DeduplicateWork & { time: EventTimeWork }, context: KeyedContext) {
    this.#work = work
    this.#context = context
  }

  async open(): Promise<void> {
    this.#database = await this.#context.database()
  }

  async begin(eventTime: bigint | undefined): Promise<void> {
    this.#closed = eventTime
  }

  async cut({ eventTime }: OperatorBarrier): Promise<void> {
    this.#closed = eventTime
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    const { id, time, ttl, input } = this.#work
    const database = this.#database
    assert(database !== undefined && batch.body.kind === 'table', 'the plan gives tables to a deduplicate')
    const relation = quoteName(batch.body.relation)
    const micros = microsSql(time.column, input)
    const isLate = `(${micros} IS NULL${this.#closed === undefined ? '' : ` OR ${micros} + ${ttl} <= ${this.#closed}`})`
    const parts: [output: number, batch: Batch][] = []
    try {
      const count = `SELECT max(${micros}), count(*) FILTER (WHERE ${isLate}) FROM ${relation}`
      const [newest, late] = (await computing(id, database, count))[0] ?? []
      if (typeof newest === 'bigint') this.#context.sawEventTime(id, newest)
      if (Number(late) === 0) return await out.emit(TIMELY, batch)
      for (const [output, condition] of [
        [TIMELY, `NOT ${isLate}`],
        [LATE, isLate],
      ] as const) {
        const name = newTableName(id)
        const rows = await makeTable(id, database, name, `SELECT * FROM ${relation} WHERE ${condition}`)
        const part = tableBatch(database, name, input, rows, {
          ...batch,
          bytes: Math.ceil((batch.bytes * rows) / batch.rows),
        })
        if (rows > 0) parts.push([output, part])
        else part.release()
      }
    } catch (thrown) {
      for (const [, part] of parts) part.release()
      batch.release()
      throw thrown
    }
    batch.release()
    for (const [output, part] of parts) await out.emit(output, part)
  }

  async close(): Promise<void> {}
}
