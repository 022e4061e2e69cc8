import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { END, quoteName, START, type AggregateWork, type LaneDatabase } from '../../dataplane/index.ts'
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
import { AggregateSql } from './aggregate-sql.ts'

/** Partial results are merged among themselves when there are so many, and twice as many as after the last time. */
const RECENT_ROWS = 1_000_000

/** Says of a kept row that its result was not given since it changed. */
const FRESH = quoteName('#fresh')
const DUE = quoteName('#due')
const OVER = quoteName('#over')
const ROW = quoteName('#row')
/** Of sessions that may be given early: it differs from what was given, and something of it was given. */
const CHANGED = quoteName('#changed')
const GIVEN = quoteName('#given')

/**
 * The second half of an `aggregate`, in the lane that keeps the key: gathers partial results, and merges them with what it
 * keeps when a barrier comes. Nothing is visible before a checkpoint, so results are given with the barrier: each changed
 * key once for a checkpoint, however often it changed.
 */
export function createAggregateOperator(work: AggregateWork, context: KeyedContext): LaneOperator {
  return new AggregateOperator(work, context)
}

class AggregateOperator implements LaneOperator, KeyedState {
  readonly #work: AggregateWork
  readonly #context: KeyedContext
  readonly #sql: AggregateSql
  readonly #recent: string
  readonly #touched: string
  readonly #merged: string
  #database: LaneDatabase | undefined
  #kept: KeyedTable | undefined
  #recentRows = 0
  #mergedRows = 0
  /** When results were last given that need not wait for their window. */
  #emittedAt: number | undefined
  /** Some results wait until they may be given again. */
  #isWaiting = false
  /** The last cut changed something that was not saved yet. */
  #isChanged = false

  constructor(work: AggregateWork, context: KeyedContext) {
    this.#work = work
    this.#context = context
    this.#sql = new AggregateSql(work)
    this.#recent = quoteName(`recent of ${work.id}`)
    this.#touched = quoteName(`touched of ${work.id}`)
    this.#merged = quoteName(`merged of ${work.id}`)
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

  get isDue(): boolean {
    const { emitEveryMs } = this.#work
    if (!this.#isWaiting || emitEveryMs === undefined || this.#emittedAt === undefined) return false
    return this.#context.now() - this.#emittedAt >= emitEveryMs
  }

  async open(): Promise<void> {
    this.#database = await this.#context.database()
    this.#kept = new KeyedTable(
      {
        step: this.#work.id,
        columns: [...this.#sql.columns, { name: '#fresh', type: 'BOOLEAN' }],
        identity: this.#sql.identity,
        group: this.#sql.group,
      },
      this.#database,
    )
    await this.clear()
  }

  async clear(): Promise<void> {
    await this.#table.clear()
    await this.#clearRecent()
    this.#isChanged = false
    this.#isWaiting = false
    this.#emittedAt = undefined
  }

  load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void> {
    return this.#table.load(bytes, groups)
  }

  async begin(eventTime: bigint | undefined): Promise<void> {
    // Results of before may have waited, and a clock that begins here gives them in time.
    if (this.#work.emitEveryMs !== undefined && this.rows > 0) {
      this.#emittedAt = this.#context.now()
      this.#isWaiting = true
    }
    // What a later checkpoint let go of is in the files of earlier ones.
    if (this.#work.window !== undefined && eventTime !== undefined) await this.#table.delete(this.#isOver(eventTime))
  }

  async process(batch: Batch): Promise<void> {
    try {
      const { body } = batch
      assert(body.kind === 'table', 'an aggregate takes tables')
      const columns = this.#sql.columns.map(({ name }) => quoteName(name)).join(', ')
      await this.#run(`INSERT INTO ${this.#recent} (${columns}) SELECT ${columns} FROM ${quoteName(body.relation)}`)
      this.#recentRows += batch.rows
    } finally {
      batch.release()
    }
    if (this.#recentRows >= Math.max(RECENT_ROWS, 2 * this.#mergedRows)) await this.#mergeRecent()
  }

  async cut(barrier: OperatorBarrier, out: OperatorOutput): Promise<void> {
    const { eventTime, isEnd } = barrier
    this.#isChanged = false
    const isEarly = this.#isEarlyDue(isEnd)
    this.#isWaiting = !isEarly && (this.#isWaiting || this.#recentRows > 0)
    const hasWindow = this.#work.window !== undefined
    if (this.#recentRows === 0 && this.rows === 0) return
    const due = this.#isDue(barrier, isEarly)
    if (this.#recentRows > 0 || due !== 'false') await this.#mergeTouched(due, this.#isOverAt(barrier))
    if (hasWindow && (isEnd || eventTime !== undefined)) await this.#table.delete(this.#isOverAt(barrier))
    if (!this.#isChanged) return
    const results = this.#sql.results(`SELECT * FROM ${this.#merged} WHERE ${DUE}`)
    const select = this.#work.retracts === true ? `${results} UNION ALL ${this.#retractions()}` : results
    await giveResults(this.#work.id, this.#lane, out, { to: 0, select, schema: this.#work.output })
  }

  async save(all: boolean): Promise<SavedState | undefined> {
    if (all) return this.#table.saveAll()
    if (!this.#isChanged) return undefined
    const columns = [...this.#sql.columns.map(({ name }) => quoteName(name)), FRESH]
    const rows = `SELECT ${columns.join(', ')} FROM ${this.#merged} WHERE NOT ${OVER}`
    // Other rows keep their key when they change; sessions that became one do not.
    const gone = this.#work.window?.kind === 'session' ? `SELECT * FROM ${this.#touched}` : undefined
    return this.#table.save(rows, gone)
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

  /** Results that do not wait for a window: with every checkpoint, or after the time that was asked for. */
  #isEarlyDue(isEnd: boolean): boolean {
    const { emitEveryMs, window } = this.#work
    if (emitEveryMs === undefined) return window === undefined
    if (isEnd) return true
    const now = this.#context.now()
    this.#emittedAt ??= now
    if (now - this.#emittedAt < emitEveryMs) return false
    this.#emittedAt = now
    return true
  }

  #isDue({ eventTime, isEnd }: OperatorBarrier, isEarly: boolean): string {
    if (isEarly || isEnd) return 'true'
    if (this.#work.window === undefined || eventTime === undefined) return 'false'
    return `(${quoteName(END)} <= ${eventTime})`
  }

  #isOverAt({ eventTime, isEnd }: OperatorBarrier): string {
    if (this.#work.window === undefined) return 'false'
    if (isEnd) return 'true'
    return eventTime === undefined ? 'false' : this.#isOver(eventTime)
  }

  /** The window takes no rows any more. */
  #isOver(eventTime: bigint): string {
    return `(${quoteName(END)} <= ${eventTime - BigInt(this.#work.lateness)})`
  }

  /** Merges what came with what is kept of the same keys, and finds what is due. */
  async #mergeTouched(due: string, over: string): Promise<void> {
    const { id, window } = this.#work
    const table = this.#table
    // A session may grow together with any other one of its group.
    const same = table.matches('s', 'r', window?.kind === 'session' ? this.#sql.group : this.#sql.identity)
    const kept = `SELECT s.rowid AS ${ROW}, s.* FROM ${table.table} s`
    const waits = `s.${FRESH} AND ${due}`
    const touched = await makeTable(
      id,
      this.#lane,
      unquoted(this.#touched),
      `${kept} WHERE ${waits} UNION ALL ${kept} SEMI JOIN ${this.#recent} r ON ${same} WHERE NOT (${waits})`,
    )
    const columns = this.#sql.columns.map(({ name }) => quoteName(name)).join(', ')
    await makeTable(id, this.#lane, unquoted(this.#merged), this.#mergedSql(columns, due, over))
    await table.delete(`rowid IN (SELECT ${ROW} FROM ${this.#touched})`)
    await table.insert(`SELECT ${columns}, ${FRESH} FROM ${this.#merged} WHERE NOT ${OVER}`)
    this.#isChanged = touched + this.#recentRows > 0
    await this.#clearRecent()
  }

  #mergedSql(columns: string, due: string, over: string): string {
    const [recent, touched] = [`SELECT ${columns} FROM ${this.#recent}`, `SELECT ${columns} FROM ${this.#touched}`]
    if (this.#work.retracts !== true) {
      const merged = this.#sql.merge(`${recent} UNION ALL ${touched}`)
      return `SELECT *, ${due} AS ${DUE}, ${over} AS ${OVER}, NOT ${DUE} AS ${FRESH} FROM (${merged})`
    }
    // All sessions of a group are touched together, also those that nothing was added to.
    const all =
      `SELECT ${columns}, true AS ${CHANGED}, false AS ${GIVEN} FROM ${this.#recent} UNION ALL ` +
      `SELECT ${columns}, ${FRESH} AS ${CHANGED}, NOT ${FRESH} AS ${GIVEN} FROM ${this.#touched}`
    const merged = this.#sql.merge(
      all,
      [CHANGED, GIVEN].map((name) => `bool_or(${name}) AS ${name}`),
    )
    // What was given and has changed is given anew at once: its old result goes.
    const isDue = `${CHANGED} AND (${GIVEN} OR ${due})`
    return `SELECT *, ${isDue} AS ${DUE}, ${over} AS ${OVER}, ${CHANGED} AND NOT (${isDue}) AS ${FRESH} FROM (${merged})`
  }

  /** Sessions whose result was given, and that are not there any more as they were. */
  #retractions(): string {
    const same = this.#table.matches('t', 'm', [...this.#sql.group, quoteName(START), quoteName(END)])
    return this.#sql.retractions(
      `SELECT t.* FROM ${this.#touched} t ANTI JOIN ${this.#merged} m ON ${same} WHERE NOT t.${FRESH}`,
    )
  }

  async #mergeRecent(): Promise<void> {
    const { id } = this.#work
    const anew = quoteName(`recent of ${id}, merged`)
    this.#recentRows = await makeTable(id, this.#lane, unquoted(anew), this.#sql.merge(`SELECT * FROM ${this.#recent}`))
    this.#mergedRows = this.#recentRows
    await this.#run(`DROP TABLE ${this.#recent}`)
    await this.#run(`ALTER TABLE ${anew} RENAME TO ${this.#recent}`)
  }

  async #clearRecent(): Promise<void> {
    const columns = this.#sql.columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${this.#recent} (${columns.join(', ')})`)
    this.#recentRows = 0
    this.#mergedRows = 0
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#work.id, this.#lane, sql)
  }
}

function unquoted(name: string): string {
  return name.slice(1, -1).replaceAll('""', '"')
}
