import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { quoteName, type JoinWork, type LaneDatabase } from '../../dataplane/index.ts'
import type { KeyedContext, LaneOperator, OperatorBarrier, OperatorOutput } from '../operator.ts'
import { computing, makeTable, newTableName, tableBatch } from '../step-tables.ts'
import { JoinSql, type SideName } from './join-sql.ts'

/** Outputs of the step. */
const TIMELY = 0
const LATE = 1

/**
 * In front of a `join`, in the lane that reads the rows of one side: tells how late it is, takes out the rows whose partners
 * may have been let go already, and gives the others the form in which both sides travel.
 */
export function createJoinIntakeOperator(
  { work, side }: { readonly work: JoinWork; readonly side: SideName },
  context: KeyedContext,
): LaneOperator {
  return new JoinIntakeOperator(work, side, context)
}

class JoinIntakeOperator implements LaneOperator {
  readonly #work: JoinWork
  readonly #side: SideName
  readonly #context: KeyedContext
  readonly #sql: JoinSql
  #database: LaneDatabase | undefined
  #closed: bigint | undefined

  constructor(work: JoinWork, side: SideName, context: KeyedContext) {
    this.#work = work
    this.#side = side
    this.#context = context
    this.#sql = new JoinSql(work)
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
      await this.#part(batch, made)
    } catch (thrown) {
      for (const [, one] of made) one.release()
      throw thrown
    } finally {
      batch.release()
    }
    for (let next = made.shift(); next !== undefined; next = made.shift()) {
      await out.emit(...next).catch((thrown: unknown) => {
        for (const [, left] of made) left.release()
        throw thrown
      })
    }
  }

  async close(): Promise<void> {}

  async #part(batch: Batch, made: [number, Batch][]): Promise<void> {
    const { id, [this.#side]: side } = this.#work
    const database = this.#database
    assert(database !== undefined && batch.body.kind === 'table', 'the plan gives tables to a join')
    const rows = this.#sql.rows(this.#side, quoteName(batch.body.relation), this.#closed)
    const asked = `SELECT max("#us"), count(*) FILTER (WHERE "#late") FROM (${rows})`
    const [newest, late] = (await computing(id, database, asked))[0] ?? []
    if (typeof newest === 'bigint') this.#context.sawEventTime(id, newest)
    const make = async (output: number, select: string, schema: Schema): Promise<void> => {
      const name = newTableName(id)
      const count = await makeTable(id, database, name, select)
      const bytes = Math.ceil((batch.bytes * count) / batch.rows)
      made.push([output, tableBatch(database, name, schema, count, { ...batch, bytes })])
    }
    const lateRows = Number(late)
    if (lateRows < batch.rows) await make(TIMELY, this.#sql.travelling(this.#side, rows), [])
    if (lateRows === 0) return
    const columns = side.input.map(({ name }) => quoteName(name)).join(', ')
    await make(LATE, `SELECT ${columns} FROM (${rows}) WHERE "#late"`, side.input)
  }
}
