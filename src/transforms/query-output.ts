import { assert } from '../core/assert.ts'
import type { Batch, Body, BodyFormat } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import {
  openQuery,
  quoteName,
  type BytesPiece,
  type Column,
  type LaneDatabase,
  type Query,
  type QueryOutput as Encoding,
} from '../dataplane/index.ts'
import { readableSelect, readRows } from './row-lines.ts'
import type { QueryWork, QueryWorkOutput } from './step.ts'
import { columnsOf } from './columns.ts'
import { HOUSE_CSV } from './house-csv.ts'
import { faultsOf, STAGED, type LeaveOut, type QueryInput } from './query-input.ts'
import { RowsAtFault, type RecordFault } from './record-place.ts'

/** Buffers of one output that wait for the next batch. */
const FREE_BUFFERS = 4

/**
 * DuckDB hashes every text for a dictionary until that is full, by default at a fifth of 122 880 values, which takes long
 * for columns of different values and is soon over with this limit. Few readers look into bloom filters.
 */
const PARQUET = { dictionaryValuesMax: 2048, bloomFilters: false } as const

/** Tables that are waiting for their release get names of their own. */
let tables = 0

/** One output of a query step: its SQL over the staged rows, encoded as its consumer wants it. */
export class QueryBranch {
  readonly #step: QueryWork
  readonly #output: QueryWorkOutput
  readonly #columns: readonly Column[]
  /** Where the query leaves its rows when they stay in the database. */
  readonly #table: string
  readonly #database: LaneDatabase
  readonly #input: QueryInput
  readonly #query: Query
  readonly #free: Buffer[] = []

  private constructor(parts: {
    readonly step: QueryWork
    readonly output: QueryWorkOutput
    readonly table: string
    readonly database: LaneDatabase
    readonly input: QueryInput
    readonly query: Query
  }) {
    this.#step = parts.step
    this.#output = parts.output
    this.#columns = columnsOf(parts.output.schema)
    this.#table = parts.table
    this.#database = parts.database
    this.#input = parts.input
    this.#query = parts.query
  }

  static async open(step: QueryWork, index: number, database: LaneDatabase, input: QueryInput): Promise<QueryBranch> {
    const output = step.outputs[index]
    assert(output !== undefined, 'the step has this output')
    const table = `output ${index} of ${step.id}`
    const query = await openQuery(database, {
      input: input.relation,
      sql: chainOf(step, output),
      output: encodingOf(output.format, table),
    })
    return new QueryBranch({ step, output, table, database, input, query })
  }

  /**
   * What comes of the staged batch, of which `rows` are left. Those that come of it may be none; then it still has to be
   * released.
   *
   * @throws RowsAtFault for rows on which the SQL fails.
   */
  async run(batch: Batch, piece: BytesPiece | undefined, rows: number, leaveOut: LeaveOut | undefined): Promise<Batch> {
    const target = this.#free.pop()
    const result =
      piece === undefined
        ? await this.#runOnTable(batch, rows, target)
        : await this.#query.run(piece, target, leaveOut !== undefined)
    if (!result.ok) throw new RowsAtFault(faultsOf(result.errors))
    if (result.leftOut !== undefined) leaveOut?.(result.leftOut)
    const { format, schema } = this.#output
    const base = { kind: 'batch', split: batch.split, from: batch.from, next: batch.next, rows: result.rows } as const
    if (format.kind === 'table') {
      const relation = await this.#keepTable()
      const body: Body = { kind: 'table', relation, schema }
      return { ...base, bytes: batch.bytes, body, release: once(() => this.#dropTable(relation)) }
    }
    const { buffer, length } = result
    if (format.kind === 'rows') {
      const rows = readRows(buffer, length, this.#columns)
      this.#recycle(buffer)
      return { ...base, bytes: batch.bytes, body: { kind: 'rows', rows, schema }, release() {} }
    }
    const body: Body =
      format.kind === 'parquet'
        ? { kind: 'parquet', buffer, length }
        : { kind: 'bytes', buffer, length, separator: format.separator }
    return { ...base, bytes: length, body, release: once(() => this.#recycle(buffer)) }
  }

  close(): void {
    this.#query.close()
  }

  async #runOnTable(batch: Batch, rows: number, target: Buffer | undefined): ReturnType<Query['run']> {
    try {
      return await this.#query.run(undefined, target)
    } catch (thrown) {
      if (!isDataFault(thrown)) throw thrown
      const faults = await this.#findFaults(batch, 0, rows)
      if (faults.length > 0) throw new RowsAtFault(faults)
      throw new MillraceError(`step ${this.#step.id}: the SQL fails (${classOf(thrown)}), but on no single record`, {
        code: 'POISON',
        retry: 'halt',
        detail: { step: this.#step.id, split: batch.split, from: batch.from, next: batch.next },
      })
    }
  }

  /** DuckDB's message names no row, so the batch is halved until one is left; the first one at fault is enough. */
  async #findFaults(batch: Batch, from: number, to: number): Promise<RecordFault[]> {
    await this.#input.narrow(batch, from, to)
    try {
      await this.#query.run(undefined)
      return []
    } catch (thrown) {
      if (!isDataFault(thrown)) throw thrown
      if (to - from <= 1)
        return [{ row: from, column: '', reason: `the SQL fails on this record (${classOf(thrown)})`, isOfStep: true }]
      const middle = (from + to) >>> 1
      const left = await this.#findFaults(batch, from, middle)
      return left.length > 0 ? left : await this.#findFaults(batch, middle, to)
    }
  }

  async #keepTable(): Promise<string> {
    const relation = `batch ${++tables} of ${this.#step.id}`
    await this.#database.run(`ALTER TABLE ${quoteName(this.#table)} RENAME TO ${quoteName(relation)}`)
    return relation
  }

  /** Nobody waits for it: a table that stays because the lane is ending goes with the lane. */
  #dropTable(relation: string): void {
    this.#database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`).catch(() => undefined)
  }

  #recycle(buffer: Buffer): void {
    if (this.#free.length < FREE_BUFFERS && buffer.length > 0) this.#free.push(buffer)
  }
}

/** The chain of SELECTs up to that of the output as one statement over the staged rows. */
function chainOf(step: QueryWork, { select, schema, format }: QueryWorkOutput): string {
  const parts = [`${quoteName(step.relation)} AS (SELECT * FROM ${quoteName(STAGED)})`]
  if (select !== step.relation) {
    const last = step.selects.findIndex(({ name }) => name === select)
    assert(last >= 0, `the step has a SELECT called ${select}`)
    for (const { name, sql } of step.selects.slice(0, last + 1)) {
      parts.push(`${quoteName(name)} AS (${sql.trim().replace(/;$/, '')}\n)`)
    }
  }
  const columns = columnsOf(schema)
  return `WITH ${parts.join(', ')} ${lastSelect(columns, select, format)}`
}

function lastSelect(columns: readonly Column[], select: string, format: BodyFormat): string {
  if (format.kind === 'rows') return readableSelect(columns, select)
  const items =
    format.kind === 'parquet'
      ? format.columns.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`)
      : columns.map(({ name }) => quoteName(name))
  return `SELECT ${items.join(', ')} FROM ${quoteName(select)}`
}

function encodingOf(format: BodyFormat, table: string): Encoding {
  if (format.kind === 'table') return { format: 'table', table }
  if (format.kind === 'rows') return { format: 'json-array' }
  if (format.kind === 'parquet') return { format: 'parquet', compression: format.compression, ...PARQUET }
  assert(format.format !== 'raw', 'queries give rows, tables, JSON or CSV')
  if (format.format === 'json') return { format: format.separator === 0x2c ? 'json-array' : 'ndjson' }
  return { format: 'csv', separator: HOUSE_CSV.separator, nullText: HOUSE_CSV.nullText, special: 'refuse' }
}

/** The data plane's error of a query that fails on values but cannot tell on which row. */
function isDataFault(thrown: unknown): thrown is MillraceError {
  return thrown instanceof MillraceError && thrown.code === 'POISON'
}

/** The class of DuckDB's error, which the data plane's message names; never its text, which holds the value. */
function classOf(thrown: MillraceError): string {
  return /[A-Z][A-Za-z ]{1,30} Error/.exec(thrown.message)?.[0] ?? 'data error'
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) work()
    isDone = true
  }
}
