import type { Schema } from '../core/schema.ts'
import { duckType, parseColumnType, quoteName, type LaneDatabase } from '../dataplane/index.ts'
import { computing } from './step-tables.ts'

export interface LookupCacheOptions {
  readonly step: string
  /** Columns of a key, and what is kept for it. */
  readonly key: Schema
  readonly values: Schema
  readonly bytesMax: number
  /** How long an answer counts; one that says that there is nothing has a time of its own. */
  readonly ttlMs: number
  readonly missingTtlMs: number
}

const DEAD_ROWS = 50_000
/** An entry's own bytes, beside those that were read for it. */
const ENTRY_BYTES = 64

/** Answers to keys, in a table of the lane's database: of so many bytes at most, the oldest ones go first. */
export class LookupCache {
  readonly #options: LookupCacheOptions
  readonly #database: LaneDatabase
  readonly table: string
  readonly #keys: string
  #bytes = 0
  #rows = 0
  /** Rows that were replaced stay in DuckDB's tables until these are made anew. */
  #dead = 0
  #turn = 0

  private constructor(options: LookupCacheOptions, database: LaneDatabase) {
    this.#options = options
    this.#database = database
    this.table = quoteName(`cache of ${options.step}`)
    this.#keys = options.key.map(({ name }) => quoteName(name)).join(', ')
  }

  static async open(options: LookupCacheOptions, database: LaneDatabase): Promise<LookupCache> {
    const cache = new LookupCache(options, database)
    const typed = ({ name, type }: Schema[number]): string => `${quoteName(name)} ${duckType(parseColumnType(type))}`
    const columns = [...options.key, ...options.values].map(typed)
    const own = ['"#found" BOOLEAN', '"#until" BIGINT', '"#turn" BIGINT', '"#bytes" BIGINT']
    await cache.#run(`CREATE OR REPLACE TEMP TABLE ${cache.table} (${[...columns, ...own].join(', ')})`)
    return cache
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps what was found for keys that were asked for, and of the others that there is nothing. */
  async add(asked: string, found: string, foundBytes: number, now: number): Promise<void> {
    const { key, values, ttlMs, missingTtlMs } = this.#options
    const same = (left: string): string =>
      key.map(({ name }) => `${left}.${quoteName(name)} = a.${quoteName(name)}`).join(' AND ')
    this.#turn++
    const [[gone] = []] = await this.#run(`DELETE FROM ${this.table} c USING ${asked} a WHERE ${same('c')}`)
    this.#dead += Number(gone)
    const [[rows] = []] = await this.#run(`SELECT count(*) FROM ${found}`)
    const each = ENTRY_BYTES + Math.ceil(foundBytes / Math.max(1, Number(rows)))
    const kept = values.map(({ name }) => `f.${quoteName(name)}`)
    const keys = key.map(({ name }) => `a.${quoteName(name)}`)
    // An answer may hold rows that the server takes for equal to a key, and we do not.
    const until = `CASE WHEN f."#found" THEN ${now + ttlMs} ELSE ${now + missingTtlMs} END`
    const bytes = `CASE WHEN f."#found" THEN ${each} ELSE ${ENTRY_BYTES} END`
    const items = [...keys, ...kept, 'coalesce(f."#found", false)', until, String(this.#turn), bytes]
    await this.#run(
      `INSERT INTO ${this.table} SELECT ${items.join(', ')} ` +
        `FROM ${asked} a LEFT JOIN (SELECT *, true AS "#found" FROM ${found}) f ON ${same('f')}`,
    )
    await this.#measure()
  }

  /** The keys of rows about which nothing is known, or nothing that still counts: each once, those without a value left out. */
  unknown(rows: string, now: number): string {
    const { key } = this.#options
    const known = key.map(({ name }) => `c.${quoteName(name)} = r.${quoteName(name)}`).join(' AND ')
    const whole = key.map(({ name }) => `${quoteName(name)} IS NOT NULL`).join(' AND ')
    const live = `(SELECT * FROM ${this.table} WHERE "#until" > ${now})`
    return `SELECT DISTINCT ${this.#keys} FROM (${rows}) r ANTI JOIN ${live} c ON ${known} WHERE ${whole}`
  }

  /** Lets the oldest answers go until a quarter of the room is free. Call when no batch needs them. */
  async shrink(): Promise<void> {
    const { bytesMax, step } = this.#options
    if (this.#bytes <= bytesMax && this.#dead < Math.max(DEAD_ROWS, this.#rows)) return
    const room = this.#bytes <= bytesMax ? bytesMax : Math.floor(bytesMax * 0.75)
    const newest = `sum("#bytes") OVER (ORDER BY "#turn" DESC, rowid DESC ROWS UNBOUNDED PRECEDING)`
    const anew = quoteName(`cache of ${step}, anew`)
    await this.#run(`CREATE OR REPLACE TEMP TABLE ${anew} AS SELECT * FROM ${this.table} QUALIFY ${newest} <= ${room}`)
    await this.#run(`DROP TABLE ${this.table}`)
    await this.#run(`ALTER TABLE ${anew} RENAME TO ${this.table}`)
    this.#dead = 0
    await this.#measure()
  }

  async #measure(): Promise<void> {
    const [[rows, bytes] = []] = await this.#run(
      `SELECT count(*), coalesce(sum("#bytes"), 0)::BIGINT FROM ${this.table}`,
    )
    this.#rows = Number(rows)
    this.#bytes = Number(bytes)
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#options.step, this.#database, sql)
  }
}
