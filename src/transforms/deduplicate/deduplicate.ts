import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { duckType, parseColumnType, quoteName, type DeduplicateWork, type LaneDatabase } from '../../dataplane/index.ts'
import { microsSql } from '../event-micros.ts'
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
import { computing, makeTable, newTableName, tableBatch } from '../step-tables.ts'

/** Rows are compared with all known keys together: a few at a time would cost as much as many. */
const WAITING_ROWS = 50_000
const WAITING_BYTES = 16 * 1024 * 1024

const SEEN = quoteName('#seen')
const MICROS_PER_MS = 1000n

/** Lets the first row of each key pass, in the lane that keeps the key. Rows wait for others, at most until the barrier. */
export function createDeduplicateOperator(work: DeduplicateWork, context: KeyedContext): LaneOperator {
  return new DeduplicateOperator(work, context)
}

class DeduplicateOperator implements LaneOperator, KeyedState {
  readonly #work: DeduplicateWork
  readonly #context: KeyedContext
  readonly #key: readonly string[]
  readonly #columns: string
  /** Rows that wait; keys that came since the last barrier. */
  readonly #waiting: string
  readonly #added: string
  #database: LaneDatabase | undefined
  #kept: KeyedTable | undefined
  #rows = 0
  #bytes = 0
  #addedRows = 0

  constructor(work: DeduplicateWork, context: KeyedContext) {
    this.#work = work
    this.#context = context
    this.#key = work.key.map(quoteName)
    this.#columns = work.input.map(({ name }) => quoteName(name)).join(', ')
    this.#waiting = `waiting for ${work.id}`
    this.#added = `added to ${work.id}`
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
    const { id, key, input } = this.#work
    const columns = key.map((name) => {
      const type = input.find((column) => column.name === name)?.type ?? 'varchar'
      return { name, type: duckType(parseColumnType(type)) }
    })
    const kept = [...columns, { name: '#seen', type: 'BIGINT' }]
    this.#kept = new KeyedTable({ step: id, columns: kept, identity: this.#key, group: this.#key }, this.#database)
    await this.clear()
  }

  async clear(): Promise<void> {
    await this.#table.clear()
    await this.#forgetAdded()
    await this.#forgetWaiting()
  }

  load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void> {
    return this.#table.load(bytes, groups)
  }

  async begin(eventTime: bigint | undefined): Promise<void> {
    // What a later checkpoint forgot is in the files of earlier ones.
    await this.#expire(eventTime)
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    try {
      const { body } = batch
      assert(body.kind === 'table', 'a deduplicate takes tables')
      const { time, input } = this.#work
      const seen = time === undefined ? String(this.#now) : microsSql(time.column, input)
      await this.#run(
        `INSERT INTO ${quoteName(this.#waiting)} SELECT ${this.#columns}, ${seen} FROM ${quoteName(body.relation)}`,
      )
      this.#rows += batch.rows
      this.#bytes += batch.bytes
    } finally {
      batch.release()
    }
    if (this.#rows >= WAITING_ROWS || this.#bytes >= WAITING_BYTES) await this.#pass(out)
  }

  async cut({ eventTime }: OperatorBarrier, out: OperatorOutput): Promise<void> {
    await this.#pass(out)
    await this.#expire(eventTime)
  }

  async save(all: boolean): Promise<SavedState | undefined> {
    const saved = all
      ? await this.#table.saveAll()
      : this.#addedRows === 0
        ? undefined
        : await this.#table.save(`SELECT * FROM ${quoteName(this.#added)}`)
    await this.#forgetAdded()
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

  get #now(): bigint {
    return BigInt(this.#context.now()) * MICROS_PER_MS
  }

  /** Lets go on what is the first of its key among those that wait, and unknown before. */
  async #pass(out: OperatorOutput): Promise<void> {
    if (this.#rows === 0) return
    const { id, input } = this.#work
    const waiting = quoteName(this.#waiting)
    const firsts = newTableName(id)
    const keys = this.#key.join(', ')
    const first = `SELECT * FROM ${waiting} WHERE rowid IN (SELECT min(rowid) FROM ${waiting} GROUP BY ${keys})`
    const isKnown = this.#table.matches('w', 's')
    const rows = await makeTable(
      id,
      this.#lane,
      firsts,
      `SELECT w.* FROM (${first}) w ANTI JOIN ${this.#table.table} s ON ${isKnown}`,
    )
    const bytes = Math.ceil((this.#bytes * rows) / this.#rows)
    const batch = tableBatch(this.#lane, firsts, input, rows, { split: '', from: {}, next: {}, bytes })
    await this.#forgetWaiting()
    if (rows === 0) return batch.release()
    const made = `SELECT ${keys}, ${SEEN} FROM ${quoteName(firsts)}`
    await this.#table.insert(made)
    await this.#run(`INSERT INTO ${quoteName(this.#added)} ${made}`)
    this.#addedRows += rows
    await out.emit(0, batch)
  }

  async #expire(eventTime: bigint | undefined): Promise<void> {
    const now = this.#work.time === undefined ? this.#now : eventTime
    if (now === undefined || this.#table.rows === 0) return
    await this.#table.delete(`${SEEN} + ${this.#work.ttl} <= ${now}`)
  }

  async #forgetWaiting(): Promise<void> {
    const columns = this.#work.input.map(({ name, type }) => `${quoteName(name)} ${duckType(parseColumnType(type))}`)
    const all = [...columns, `${SEEN} BIGINT`].join(', ')
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${quoteName(this.#waiting)} (${all})`)
    this.#rows = 0
    this.#bytes = 0
  }

  async #forgetAdded(): Promise<void> {
    const select = `SELECT * FROM ${this.#table.table} LIMIT 0`
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${quoteName(this.#added)} AS ${select}`)
    this.#addedRows = 0
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#work.id, this.#lane, sql)
  }
}
