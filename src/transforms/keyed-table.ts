import { keyGroupSql, quoteName, quoteText, type InnerColumn, type LaneDatabase } from '../dataplane/index.ts'
import type { KeyGroups, SavedState } from './operator.ts'
import { computing, computingInside } from './step-tables.ts'

export interface KeyedTableOptions {
  readonly step: string
  readonly columns: readonly InnerColumn[]
  /** Quoted names of the columns that tell one row from another. */
  readonly identity: readonly string[]
  /** Quoted names of the columns whose key group decides about the lane. */
  readonly group: readonly string[]
}

/** Parquet as it is loaded soon and seldom looked at: no dictionaries that have to be hashed, no filters. */
const SAVED =
  'FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false, DICTIONARY_SIZE_LIMIT 2048, WRITE_BLOOM_FILTER false'

/** Says of a saved row that it takes one away. */
const GONE = quoteName('#gone')

/** Rows that were deleted stay in DuckDB's tables; with so many of them the table is made anew. */
const DEAD_ROWS = 100_000

/** Rows by key in a table of the lane's database, and their way into bytes and back. */
export class KeyedTable {
  readonly #options: KeyedTableOptions
  readonly #database: LaneDatabase
  readonly table: string
  #rows = 0
  #dead = 0

  constructor(options: KeyedTableOptions, database: LaneDatabase) {
    this.#options = options
    this.#database = database
    this.table = quoteName(`state of ${options.step}`)
  }

  get rows(): number {
    return this.#rows
  }

  /** True where two rows have the same key, NULL being a value like others. */
  matches(left: string, right: string, columns: readonly string[] = this.#options.identity): string {
    const equal = columns.map((name) => `${left}.${name} IS NOT DISTINCT FROM ${right}.${name}`)
    return equal.length === 0 ? 'true' : equal.join(' AND ')
  }

  async clear(): Promise<void> {
    const columns = this.#options.columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${this.table} (${columns.join(', ')})`)
    this.#rows = 0
    this.#dead = 0
  }

  async insert(select: string): Promise<void> {
    const columns = this.#options.columns.map(({ name }) => quoteName(name)).join(', ')
    this.#rows += await this.#count(`INSERT INTO ${this.table} (${columns}) ${select}`)
  }

  /** Takes out the rows for which the condition is true. */
  async delete(condition: string): Promise<void> {
    const gone = await this.#count(`DELETE FROM ${this.table} WHERE ${condition}`)
    this.#rows -= gone
    this.#dead += gone
    if (this.#dead < Math.max(DEAD_ROWS, this.#rows)) return
    const anew = quoteName(`state of ${this.#options.step}, anew`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${anew} AS SELECT * FROM ${this.table}`)
    await this.#run(`DROP TABLE ${this.table}`)
    await this.#run(`ALTER TABLE ${anew} RENAME TO ${this.table}`)
    this.#dead = 0
  }

  /** All rows as bytes. */
  saveAll(): Promise<SavedState> {
    return this.save(`SELECT * FROM ${this.table}`)
  }

  /** Rows of the table's columns as bytes, and keys (the columns of the identity) of rows that are gone. */
  async save(rows: string, gone?: string): Promise<SavedState> {
    const { columns, identity, step } = this.#options
    const kept = columns.map(({ name, type }) => `${packed(name, type)} AS ${quoteName(name)}`)
    const isKey = (name: string): boolean => identity.includes(quoteName(name))
    const keys = columns.map(({ name, type }) => `${isKey(name) ? packed(name, type) : 'NULL'} AS ${quoteName(name)}`)
    const selects = [
      `SELECT ${kept.join(', ')}, false AS ${GONE} FROM (${rows})`,
      ...(gone === undefined ? [] : [`SELECT ${keys.join(', ')}, true AS ${GONE} FROM (${gone})`]),
    ]
    const { large } = this.#database
    return this.#database.exclusive(async () => {
      const copy = `COPY (${selects.join(' UNION ALL ')}) TO ${quoteText(large.path)} (${SAVED})`
      const result = await computingInside(step, this.#database, copy)
      const { buffer, length } = large.read(undefined)
      large.shrink()
      return { bytes: buffer.subarray(0, length), rows: Number(result[0]?.[0] ?? 0) }
    })
  }

  /** Puts saved rows over what is there. */
  async load(bytes: Uint8Array, groups: KeyGroups | undefined): Promise<void> {
    const { columns, group, step } = this.#options
    const loaded = quoteName(`loaded for ${step}`)
    const values = columns.map(({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`)
    const own = groups === undefined ? 'true' : `${keyGroupSql(group)} BETWEEN ${groups[0]} AND ${groups[1] - 1}`
    await this.#database.exclusive(async () => {
      const { large } = this.#database
      large.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength)
      const select = `SELECT ${values.join(', ')}, ${GONE} FROM read_parquet(${quoteText(large.path)})`
      await computingInside(
        step,
        this.#database,
        `CREATE OR REPLACE TEMP TABLE ${loaded} AS SELECT * FROM (${select}) WHERE ${own}`,
      )
      large.shrink()
    })
    if (this.#rows > 0) {
      await this.delete(
        `rowid IN (SELECT s.rowid FROM ${this.table} s SEMI JOIN ${loaded} l ON ${this.matches('s', 'l')})`,
      )
    }
    const names = columns.map(({ name }) => quoteName(name)).join(', ')
    await this.insert(`SELECT ${names} FROM ${loaded} WHERE NOT ${GONE}`)
    await this.#run(`DROP TABLE ${loaded}`)
  }

  async #count(sql: string): Promise<number> {
    return Number((await this.#run(sql))[0]?.[0] ?? 0)
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#options.step, this.#database, sql)
  }
}

/** Parquet has no integers of 128 bits, and DuckDB's JSON is text. */
function packed(name: string, type: string): string {
  return /^U?HUGEINT$|^JSON$/.test(type) ? `CAST(${quoteName(name)} AS VARCHAR)` : quoteName(name)
}
