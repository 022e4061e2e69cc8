import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { Schema } from '../../core/schema.ts'
import {
  duckType,
  parseColumnType,
  quoteName,
  quoteText,
  type InnerColumn,
  type LaneDatabase,
} from '../../dataplane/index.ts'
import { newTableName } from './table-names.ts'

/*
 * Rows of a table on their way to another lane: a small Parquet file without compression. Against the values one by one
 * through DuckDB's interface it costs a third, and every value comes out as it went in.
 */

/** The rows are read once, soon, on this machine: no dictionaries that have to be hashed, no filters. */
const OPTIONS =
  'FORMAT parquet, COMPRESSION uncompressed, USE_TMP_FILE false, DICTIONARY_SIZE_LIMIT 2048, WRITE_BLOOM_FILTER false'

export class TableBlocks {
  readonly #id: string
  readonly #schema: Schema
  readonly #columns: readonly InnerColumn[]
  readonly #database: () => Promise<LaneDatabase>
  #buffer: Buffer | undefined

  /** `inner` are the columns of rows that never leave the lanes, in place of those of the schema. */
  constructor(id: string, schema: Schema, database: () => Promise<LaneDatabase>, inner?: readonly InnerColumn[]) {
    this.#id = id
    this.#schema = schema
    this.#columns = inner ?? schema.map(({ name, type }) => ({ name, type: duckType(parseColumnType(type)) }))
    this.#database = database
  }

  /** The rows of a relation as bytes. They lie in memory that the next call uses. */
  async pack(relation: string, head: { readonly rows: number; readonly bytes: number }): Promise<Batch> {
    const database = await this.#database()
    const values = this.#columns.map(({ name, type }) => `${packed(name, type)} AS ${quoteName(name)}`)
    const copy = `COPY (SELECT ${values.join(', ')} FROM ${relation}) TO ${quoteText(database.output.path)} (${OPTIONS})`
    const { buffer, length } = await database.exclusive(async () => {
      await moving(() => database.connection.run(copy))
      const read = database.output.read(this.#buffer)
      database.output.shrink()
      return read
    })
    this.#buffer = buffer
    const body = { kind: 'bytes', buffer, length, separator: 0 } as const
    return { kind: 'batch', split: '', from: {}, next: {}, body, ...head, release: () => undefined }
  }

  /** The rows of a block as a table. The block's memory may be used again when this resolves. */
  async unpack(block: Batch): Promise<Batch> {
    const { body } = block
    assert(body.kind === 'bytes', 'rows travel as bytes')
    const database = await this.#database()
    const relation = newTableName(this.#id)
    const values = this.#columns.map(({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`)
    await database.exclusive(async () => {
      database.input.write(body.buffer, body.length)
      const select = `SELECT ${values.join(', ')} FROM read_parquet(${quoteText(database.input.path)})`
      await moving(() => database.connection.run(`CREATE TEMP TABLE ${quoteName(relation)} AS ${select}`))
    })
    return {
      ...block,
      body: { kind: 'table', relation, schema: this.#schema },
      release: () => drop(database, relation),
    }
  }

  /** Some rows of a relation as a table of their own, for our own lane. */
  async keep(relation: string, head: { readonly rows: number; readonly bytes: number }): Promise<Batch> {
    const database = await this.#database()
    const table = newTableName(this.#id)
    const columns = this.#columns.map(({ name }) => quoteName(name)).join(', ')
    await moving(() => database.run(`CREATE TEMP TABLE ${quoteName(table)} AS SELECT ${columns} FROM ${relation}`))
    const body = { kind: 'table', relation: table, schema: this.#schema } as const
    return { kind: 'batch', split: '', from: {}, next: {}, body, ...head, release: () => drop(database, table) }
  }
}

/** Parquet has no integers of 128 bits, and DuckDB's JSON is text. */
function packed(name: string, type: string): string {
  return /^U?HUGEINT$|^JSON$/.test(type) ? `CAST(${quoteName(name)} AS VARCHAR)` : quoteName(name)
}

/** Nobody waits for it: a table that stays because the lane is ending goes with the lane. */
function drop(database: LaneDatabase, table: string): void {
  database.run(`DROP TABLE IF EXISTS ${quoteName(table)}`).catch(() => undefined)
}

/** DuckDB's text may hold values; its class is enough. */
export async function moving<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    const error = toMillraceError(thrown)
    if (error.code === 'INTERRUPTED') throw error
    const kind = /^[A-Za-z ]{1,40}(?=:)/.exec(error.message)?.[0] ?? 'error'
    const isMachine = /^(IO|Out of Memory|INTERRUPT)/i.test(kind)
    throw new MillraceError(`moving rows between lanes: ${kind}`, {
      code: isMachine ? 'UNAVAILABLE' : 'POISON',
      retry: isMachine ? 'restart' : 'halt',
    })
  }
}
