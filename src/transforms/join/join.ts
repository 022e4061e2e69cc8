import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { joinColumns, quoteName, type JoinWork, type LaneDatabase } from '../../dataplane/index.ts'
import { KeyedTable } from '../keyed-table.ts'
import type {
  KeyedContext,
  KeyedState,
  KeyGroups,
  LaneOperator,
  OperatorBarrier,
  OperatorOutput,
  SavedState,
} from '../operator.ts'
import { computing, giveResults, makeTable } from '../step-tables.ts'
import { JoinSql } from './join-sql.ts'

/** Rows are compared with all that are kept together: a few at a time would cost as much as many. */
const WAITING_ROWS = 50_000
const WAITING_BYTES = 16 * 1024 * 1024

/** Outputs of the step. */
const PAIRS = 0
const LEFT_ALONE = 1
const RIGHT_ALONE = 2

/**
 * Brings rows of both sides together in the lane that keeps their key. A row is kept until event time has passed the last
 * moment that a partner may have; whoever has none then leaves. Rows wait for others, at most until the barrier.
 */
export function createJoinOperator(work: JoinWork, context: KeyedContext): LaneOperator {
  return new JoinOperator(work, context)
}

class JoinOperator implements LaneOperator, KeyedState {
  readonly #work: JoinWork
  readonly #context: KeyedContext
  readonly #sql: JoinSql
  readonly #waiting: string
  readonly #pairs: string
  #database: LaneDatabase | undefined
  #kept: KeyedTable | undefined
  #rows = 0
  #bytes = 0
  /** The next row's number, and that of the changes since the last save. */
  #next = 1n
  #turn = 1n
  #isChanged = false

  constructor(work: JoinWork, context: KeyedContext) {
    this.#work = work
    this.#context = context
    this.#sql = new JoinSql(work)
    this.#waiting = quoteName(`waiting for ${work.id}`)
    this.#pairs = `pairs of ${work.id}`
  }

  get state(): KeyedState {
    return this
  }

  get definition(): string {
    return this.#work.definition
  }

  get rows(): number {
    return this.#table.rows
  }

  async open(): Promise<void> {
    this.#database = await this.#context.database()
    const { kept, identity, key } = this.#sql
    this.#kept = new KeyedTable({ step: this.#work.id, columns: kept, identity, group: key }, this.#database)
    await this.clear()
  }

  async clear(): Promise<void> {
    await this.#table.clear()
    await this.#forgetWaiting()
    this.#next = 1n
    this.#turn = 1n
    this.#isChanged = false
  }

  load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void> {
    return this.#table.load(bytes, groups)
  }

  async begin(eventTime: bigint | undefined): Promise<void> {
    // Rows of a key never lived in two lanes at once, so numbers behind the greatest one are free for all keys.
    const [found] = await this.#run(`SELECT max("#n"), max("#changed") FROM ${this.#table.table}`)
    const [number, turn] = found ?? []
    this.#next = typeof number === 'bigint' ? number + 1n : 1n
    this.#turn = typeof turn === 'bigint' ? turn + 1n : 1n
    // What a later checkpoint let go of is in the files of earlier ones.
    await this.#table.delete(this.#sql.isOver(eventTime, false))
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    try {
      assert(batch.body.kind === 'table', 'a join takes tables')
      const names = joinColumns(this.#work).map(({ name }) => quoteName(name))
      await this.#run(`INSERT INTO ${this.#waiting} SELECT ${names.join(', ')} FROM ${quoteName(batch.body.relation)}`)
      this.#rows += batch.rows
      this.#bytes += batch.bytes
    } finally {
      batch.release()
    }
    if (this.#rows >= WAITING_ROWS || this.#bytes >= WAITING_BYTES) await this.#pair(out)
  }

  async cut({ eventTime, isEnd }: OperatorBarrier, out: OperatorOutput): Promise<void> {
    await this.#pair(out)
    const over = this.#sql.isOver(eventTime, isEnd)
    if (this.rows === 0 || over === 'false') return
    const { left, right, output, keepsLeft } = this.#work
    const kept = this.#table.table
    if (keepsLeft) await this.#give(out, PAIRS, this.#sql.lonely(kept, over), output)
    else await this.#give(out, LEFT_ALONE, this.#sql.unmatched('left', kept, over), left.input)
    await this.#give(out, RIGHT_ALONE, this.#sql.unmatched('right', kept, over), right.input)
    await this.#table.delete(over)
  }

  async save(all: boolean): Promise<SavedState | undefined> {
    if (!all && !this.#isChanged) return undefined
    const saved = all
      ? await this.#table.saveAll()
      : await this.#table.save(this.#sql.changed(this.#table.table, this.#turn))
    this.#turn += 1n
    this.#isChanged = false
    return saved
  }

  async close(): Promise<void> {}

  get #table(): KeyedTable {
    assert(this.#kept !== undefined, 'the operator was opened')
    return this.#kept
  }

  get #lane(): LaneDatabase {
    assert(this.#database !== undefined, 'the operator was opened')
    return this.#database
  }

  /** Keeps the rows that wait, and lets go on what came together by that. */
  async #pair(out: OperatorOutput): Promise<void> {
    if (this.#rows === 0) return
    const { id, output } = this.#work
    const first = this.#next
    const kept = this.#table
    await kept.insert(this.#sql.keeping(this.#waiting, first, this.#turn))
    this.#next += BigInt(this.#rows)
    this.#isChanged = true
    await this.#forgetWaiting()
    const found = await makeTable(id, this.#lane, this.#pairs, this.#sql.pairs(kept.table, first))
    if (found === 0) return
    const pairs = quoteName(this.#pairs)
    await this.#run(this.#sql.matched(kept.table, pairs, this.#turn))
    const columns = output.map(({ name }) => quoteName(name)).join(', ')
    await this.#give(out, PAIRS, `SELECT ${columns} FROM ${pairs}`, output)
    await this.#run(`DROP TABLE ${pairs}`)
  }

  async #give(out: OperatorOutput, to: number, select: string, schema: Schema): Promise<void> {
    await giveResults(this.#work.id, this.#lane, out, { to, select, schema })
  }

  async #forgetWaiting(): Promise<void> {
    const columns = joinColumns(this.#work).map(({ name, type }) => `${quoteName(name)} ${type}`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${this.#waiting} (${columns.join(', ')})`)
    this.#rows = 0
    this.#bytes = 0
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#work.id, this.#lane, sql)
  }
}
