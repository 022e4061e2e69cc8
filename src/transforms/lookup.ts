import { assert } from '../core/assert.ts'
import type { Batch, BodyFormat } from '../core/batch.ts'
import { toMillraceError } from '../core/errors.ts'
import type { Schema } from '../core/schema.ts'
import { quoteName, type LaneDatabase } from '../dataplane/index.ts'
import { joinFound, keyName, refuseTwins } from './lookup-join.ts'
import type { KeyedContext, LaneOperator, OperatorOutput } from './operator.ts'
import { createQueryOperator } from './query.ts'
import { computing, newTableName } from './step-tables.ts'

/** What the lookup operator needs of its step in the plan (`LookupStep`). */
export interface LookupWork {
  readonly id: string
  readonly input: Schema
  readonly schema: Schema
  readonly on: readonly { readonly row: string; readonly column: string }[]
  readonly columns: readonly { readonly name: string; readonly column: string }[]
  readonly missing: 'null' | 'drop' | 'fail'
  readonly refreshMs?: number
  readonly table: {
    readonly schema: Schema
    readonly gives: BodyFormat
    readonly format: 'json' | 'csv' | 'raw' | 'parquet'
  }
}

export interface LookupContext extends KeyedContext {
  /** Reads the whole table and hands on its batches, which are released by whoever takes them. */
  readTable(take: (batch: Batch) => Promise<void>): Promise<void>
  /** Says that the table could not be read, and that the one of before stays. */
  stays(why: string): void
}

/**
 * Adds columns of a table to rows that have its key. The table is read whole, by each lane for itself, and is the same for
 * all rows of a lane between two checkpoints: a newer one is read beside the rows, and taken at a barrier.
 */
export function createLookupOperator(work: LookupWork, context: LookupContext): LaneOperator {
  return new LookupOperator(work, context)
}

class LookupOperator implements LaneOperator {
  readonly #work: LookupWork
  readonly #context: LookupContext
  #database: LaneDatabase | undefined
  #table = ''
  #readAt = 0
  #reading: Promise<void> | undefined
  #newer: string | undefined

  constructor(work: LookupWork, context: LookupContext) {
    this.#work = work
    this.#context = context
  }

  async open(): Promise<void> {
    this.#database = await this.#context.database()
    this.#table = await this.#read()
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    this.#readAgain()
    const made = await joinFound(this.#work, this.#lane, batch, quoteName(this.#table)).finally(() => batch.release())
    if (made.rows > 0) await out.emit(0, made)
    else made.release()
  }

  /** A newer table counts from here on. */
  async cut(): Promise<void> {
    this.#readAgain()
    if (this.#newer === undefined) return
    const old = this.#table
    this.#table = this.#newer
    this.#newer = undefined
    await this.#run(`DROP TABLE IF EXISTS ${quoteName(old)}`)
  }

  async close(): Promise<void> {
    await this.#reading
  }

  /** Begins to read a newer table when this one is old. */
  #readAgain(): void {
    const { refreshMs } = this.#work
    if (refreshMs === undefined || this.#reading !== undefined || this.#newer !== undefined) return
    if (this.#context.now() - this.#readAt < refreshMs) return
    this.#reading = this.#read()
      .then((table) => void (this.#newer = table))
      .catch((thrown: unknown) => {
        this.#readAt = this.#context.now()
        const { code, message } = toMillraceError(thrown)
        if (code !== 'INTERRUPTED') this.#context.stays(message)
      })
      .finally(() => (this.#reading = undefined))
  }

  /** Reads the table under a name of its own. */
  async #read(): Promise<string> {
    const { id, table, on, columns } = this.#work
    this.#readAt = this.#context.now()
    const name = newTableName(id)
    const selected = [
      ...on.map((key, index) => [key.column, keyName(index)]),
      ...columns.map((one) => [one.column, one.name]),
    ]
    const items = selected.map(([column = '', as = '']) => `${quoteName(column)} AS ${quoteName(as)}`)
    const select = `SELECT ${items.join(', ')} FROM ${quoteName('rows')}`
    const keys = on.map((_, index) => quoteName(keyName(index)))
    const decoder = createQueryOperator(
      {
        id,
        input: { format: table.gives, encoding: table.format, schema: table.schema },
        metadata: [],
        relation: 'rows',
        selects: [{ name: 'kept', sql: select }],
        outputs: [{ select: 'kept', format: { kind: 'table' }, schema: this.#keptSchema() }],
      },
      this.#context,
    )
    await decoder.open()
    let isMade = false
    const keep = async (_: number, batch: Batch): Promise<void> => {
      assert(batch.body.kind === 'table', 'the decoder gives tables')
      const known = keys.map((key) => `${key} IS NOT NULL`).join(' AND ')
      const rows = `SELECT * FROM ${quoteName(batch.body.relation)} WHERE ${known}`
      const into = isMade ? `INSERT INTO ${quoteName(name)}` : `CREATE TEMP TABLE ${quoteName(name)} AS`
      isMade = true
      await this.#run(`${into} ${rows}`).finally(() => batch.release())
    }
    try {
      await this.#context.readTable(async (batch) => await decoder.process(batch, { emit: keep }))
      if (!isMade) await this.#makeEmpty(name)
      await refuseTwins(this.#work, this.#lane, quoteName(name))
      return name
    } catch (thrown) {
      await this.#run(`DROP TABLE IF EXISTS ${quoteName(name)}`).catch(() => undefined)
      throw thrown
    } finally {
      await decoder.close()
    }
  }

  async #makeEmpty(name: string): Promise<void> {
    const columns = this.#keptSchema().map((column) => `${quoteName(column.name)} ${column.type}`)
    await this.#run(`CREATE TEMP TABLE ${quoteName(name)} (${columns.join(', ')})`)
  }

  get #lane(): LaneDatabase {
    assert(this.#database !== undefined, 'the operator is open')
    return this.#database
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#work.id, this.#lane, sql)
  }

  #keptSchema(): Schema {
    const { on, columns, table } = this.#work
    const typeOf = (name: string): string => table.schema.find((column) => column.name === name)?.type ?? 'varchar'
    return [
      ...on.map(({ column }, index) => ({ name: keyName(index), type: typeOf(column), nullable: true })),
      ...columns.map(({ name, column }) => ({ name, type: typeOf(column), nullable: true })),
    ]
  }
}
