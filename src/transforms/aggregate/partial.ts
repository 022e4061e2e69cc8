import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { MICROS, quoteName, type AggregateWork, type LaneDatabase } from '../../dataplane/index.ts'
import type { KeyedContext, LaneOperator, OperatorBarrier, OperatorOutput } from '../operator.ts'
import { AggregateSql } from './aggregate-sql.ts'
import { computing, makeTable, newTableName, tableBatch } from '../step-tables.ts'

/** Outputs of the step. */
const PARTIALS = 0
const LATE = 1

/**
 * The first half of an `aggregate`, in the lane that reads the rows: gathers each batch by group and window, so that few
 * rows change lanes, and tells the rows that come too late. What is late is settled by barriers, so that a row that was
 * not late here finds its window open in the lane that keeps it.
 */
export function createPartialOperator(work: AggregateWork, context: KeyedContext): LaneOperator {
  return new PartialOperator(work, context)
}

class PartialOperator implements LaneOperator {
  readonly #work: AggregateWork
  readonly #context: KeyedContext
  readonly #sql: AggregateSql
  #database: LaneDatabase | undefined
  #closed: bigint | undefined

  constructor(work: AggregateWork, context: KeyedContext) {
    this.#work = work
    this.#context = context
    this.#sql = new AggregateSql(work)
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
    const made: [output: number, batch: Batch][] = []
    try {
      await this.#compute(batch, made)
    } catch (thrown) {
      for (const [, one] of made) one.release()
      throw thrown
    } finally {
      batch.release()
    }
    for (const [index, [output, one]] of made.entries()) {
      try {
        await out.emit(output, one)
      } catch (thrown) {
        for (const [, left] of made.slice(index + 1)) left.release()
        throw thrown
      }
    }
  }

  async close(): Promise<void> {}

  async #compute(batch: Batch, made: [number, Batch][]): Promise<void> {
    const database = this.#database
    assert(database !== undefined && batch.body.kind === 'table', 'the plan gives tables to an aggregate')
    const { id, input, window, time } = this.#work
    const rows = this.#sql.rows(quoteName(batch.body.relation))
    const make = async (output: number, select: string, schema: AggregateWork['input']): Promise<void> => {
      const name = newTableName(id)
      const count = await makeTable(id, database, name, select)
      const table = tableBatch(database, name, schema, count, {
        ...batch,
        bytes: Math.ceil((batch.bytes * count) / batch.rows),
      })
      if (count > 0) made.push([output, table])
      else table.release()
    }
    if (time !== undefined) {
      const late = window === undefined ? '0' : `count(*) FILTER (WHERE ${this.#sql.isLate(this.#closed)})`
      const [found] = await computing(id, database, `SELECT max(${quoteName(MICROS)}), ${late} FROM (${rows})`)
      const [newest, lateRows] = found ?? []
      if (typeof newest === 'bigint') this.#context.sawEventTime(id, newest)
      if (Number(lateRows) > 0) {
        const columns = input.map(({ name }) => quoteName(name)).join(', ')
        await make(LATE, `SELECT ${columns} FROM (${rows}) WHERE ${this.#sql.isLate(this.#closed)}`, input)
      }
    }
    await make(PARTIALS, this.#sql.partial(rows, this.#closed), [])
  }
}
