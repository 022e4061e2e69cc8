import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { MICROS, quoteName, type AggregateWork, type LaneDatabase } from '../../dataplane/index.ts'
import type { KeyedContext, LaneOperator, OperatorBarrier, OperatorOutput } from '../operator.ts'
import { AggregateSql } from './aggregate-sql.ts'
import { computing, makeTable, newTableName, tableBatch } from '../step-tables.ts'

/** Outputs of the step. */
const PARTIALS = 0
const LATE = 1

/** So much is gathered at once: the more rows, the more of them have a key in common. */
const HELD_ROWS = 1_000_000
const HELD_BYTES = 96 * 1024 * 1024

/**
 * The first half of an `aggregate`, in the lane that reads the rows: gathers several batches by group and window, so that few
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
  /** Batches that wait for others, at most until the barrier. */
  #held: Batch[] = []
  #rows = 0
  #bytes = 0

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
    this.#letGo()
  }

  async cut({ eventTime }: OperatorBarrier, out: OperatorOutput): Promise<void> {
    await this.#gather(out)
    this.#closed = eventTime
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    this.#held.push(batch)
    this.#rows += batch.rows
    this.#bytes += batch.bytes
    if (this.#work.time !== undefined) await this.#tell(batch, out)
    if (this.#rows >= HELD_ROWS || this.#bytes >= HELD_BYTES) await this.#gather(out)
  }

  async close(): Promise<void> {
    this.#letGo()
  }

  /** Says how late it is, and gives late rows on. */
  async #tell(batch: Batch, out: OperatorOutput): Promise<void> {
    const { id, input, window } = this.#work
    const rows = this.#sql.rows(relationOf(batch))
    const isLate = this.#sql.isLate(this.#closed)
    const late = window === undefined ? '0' : `count(*) FILTER (WHERE ${isLate})`
    const select = `SELECT max(${quoteName(MICROS)}), ${late} FROM (${rows})`
    const [newest, lateRows] = (await computing(id, this.#lane, select))[0] ?? []
    if (typeof newest === 'bigint') this.#context.sawEventTime(id, newest)
    if (Number(lateRows) === 0) return
    const columns = input.map(({ name }) => quoteName(name)).join(', ')
    const name = newTableName(id)
    const count = await makeTable(id, this.#lane, name, `SELECT ${columns} FROM (${rows}) WHERE ${isLate}`)
    const bytes = Math.ceil((batch.bytes * count) / batch.rows)
    await out.emit(LATE, tableBatch(this.#lane, name, input, count, { ...batch, bytes }))
  }

  async #gather(out: OperatorOutput): Promise<void> {
    const [only, ...others] = this.#held
    if (only === undefined) return
    const { id } = this.#work
    const place = others.length === 0 ? only : { split: '', from: {}, next: {} }
    const [rows, bytes] = [this.#rows, this.#bytes]
    const name = newTableName(id)
    const relations = this.#held.map((batch) => this.#sql.rows(relationOf(batch))).join(' UNION ALL ')
    const count = await makeTable(id, this.#lane, name, this.#sql.partial(relations, this.#closed))
    this.#letGo()
    const { split, from, next } = place
    const gathered = tableBatch(this.#lane, name, [], count, {
      split,
      from,
      next,
      bytes: Math.ceil((bytes * count) / rows),
    })
    if (count > 0) await out.emit(PARTIALS, gathered)
    else gathered.release()
  }

  #letGo(): void {
    for (const batch of this.#held) batch.release()
    this.#held = []
    this.#rows = 0
    this.#bytes = 0
  }

  get #lane(): LaneDatabase {
    assert(this.#database !== undefined, 'the operator was opened')
    return this.#database
  }
}

function relationOf({ body }: Batch): string {
  assert(body.kind === 'table', 'the plan gives tables to an aggregate')
  return quoteName(body.relation)
}
