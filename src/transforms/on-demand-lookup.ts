import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonLines, KeyedReader } from '../core/keyed-reader.ts'
import type { Schema } from '../core/schema.ts'
import { openQuery, quoteName, type LaneDatabase, type Query } from '../dataplane/index.ts'
import { columnsOf } from './columns.ts'
import { LookupCache } from './lookup-cache.ts'
import { joinFound, keyName, refuseTwins } from './lookup-join.ts'
import type { LookupWork } from './lookup.ts'
import type { KeyedContext, LaneOperator, OperatorOutput } from './operator.ts'
import { computing, makeTable } from './step-tables.ts'

export type OnDemandLookupWork = LookupWork & { readonly onDemand: OnDemand }

/** How answers are asked for and kept. */
export interface OnDemand {
  readonly cacheBytes: number
  readonly ttlMs: number
  readonly missingTtlMs: number
  /** Keys of one request. */
  readonly batchKeys: number
}

export interface OnDemandContext extends KeyedContext {
  readonly reader: KeyedReader
}

/** Requests of a lane under way at a time. */
const REQUESTS = 2

/**
 * Adds columns of a table to rows that have its key, and asks the table for the keys of each batch that are not known yet,
 * many at once. Answers are kept for a while, also that there is none.
 */
export function createOnDemandLookupOperator(work: OnDemandLookupWork, context: OnDemandContext): LaneOperator {
  return new OnDemandLookupOperator(work, context)
}

class OnDemandLookupOperator implements LaneOperator {
  readonly #work: OnDemandLookupWork
  readonly #context: OnDemandContext
  readonly #asked: string
  readonly #decoded: string
  readonly #closing = new AbortController()
  #database: LaneDatabase | undefined
  #cache: LookupCache | undefined
  #decoder: Query | undefined

  constructor(work: OnDemandLookupWork, context: OnDemandContext) {
    this.#work = work
    this.#context = context
    this.#asked = quoteName(`keys asked by ${work.id}`)
    this.#decoded = `answers to ${work.id}`
  }

  async open(): Promise<void> {
    const database = await this.#context.database()
    const { id, onDemand } = this.#work
    this.#database = database
    const { cacheBytes, ttlMs, missingTtlMs } = onDemand
    const options = { step: id, key: this.#key, values: this.#values, bytesMax: cacheBytes, ttlMs, missingTtlMs }
    this.#cache = await LookupCache.open(options, database)
    this.#decoder = await openQuery(database, {
      input: { name: 'answers', format: 'ndjson', columns: columnsOf(this.#work.table.schema) },
      sql: `SELECT ${this.#renamed.join(', ')} FROM answers`,
      output: { format: 'table', table: this.#decoded },
    })
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    const made = await this.#complete(batch).finally(() => batch.release())
    if (made.rows > 0) await out.emit(0, made)
    else made.release()
    await this.#cache?.shrink()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#context.reader.close()
    this.#decoder?.close()
  }

  async #complete(batch: Batch): Promise<Batch> {
    assert(batch.body.kind === 'table', 'the plan gives tables to a lookup')
    const { on } = this.#work
    const cache = this.#cache
    assert(cache !== undefined, 'the operator is open')
    const keys = on.map(({ row }, index) => `${quoteName(row)} AS ${quoteName(keyName(index))}`).join(', ')
    const unknown = cache.unknown(`SELECT ${keys} FROM ${quoteName(batch.body.relation)}`, this.#context.now())
    await this.#ask(cache, unknown)
    return await joinFound(this.#work, this.#lane, batch, `(SELECT * FROM ${cache.table} WHERE "#found")`)
  }

  /** Asks for keys, many with each request, and keeps the answers. */
  async #ask(cache: LookupCache, unknown: string): Promise<void> {
    const { onDemand, on } = this.#work
    const texts = on.map((_, index) => `CAST(${quoteName(keyName(index))} AS VARCHAR)`).join(', ')
    const count = await makeTable(this.#work.id, this.#lane, `keys asked by ${this.#work.id}`, unknown)
    if (count === 0) return
    const keys = (await this.#run(`SELECT ${texts} FROM ${this.#asked} ORDER BY rowid`)).map((row) => row.map(String))
    for (let at = 0; at < count; at += REQUESTS * onDemand.batchKeys) {
      const starts = Array.from({ length: REQUESTS }, (_, index) => at + index * onDemand.batchKeys)
      const asking = starts
        .filter((start) => start < count)
        .map(async (start) => {
          const end = Math.min(count, start + onDemand.batchKeys)
          const lines = await this.#context.reader.fetch(keys.slice(start, end), this.#closing.signal)
          return { start, end, lines }
        })
      await Promise.allSettled(asking)
      for (const { start, end, lines } of await Promise.all(asking)) await this.#keep(cache, start, end, lines)
    }
  }

  async #keep(cache: LookupCache, start: number, end: number, lines: JsonLines): Promise<void> {
    const { id } = this.#work
    const decoder = this.#decoder
    assert(decoder !== undefined, 'the operator is open')
    const result = await decoder.run(lines)
    if (!result.ok) {
      const [first] = result.errors
      const what = `column ${first?.column ?? ''} of an answer: ${first?.reason ?? 'unknown'}`
      throw new MillraceError(`looking up for ${id}: ${what}`, { code: 'DECODE', detail: { step: id } })
    }
    // A decoder that was given no rows leaves the table of before.
    const found = `(SELECT * FROM ${quoteName(this.#decoded)}${lines.rows === 0 ? ' LIMIT 0' : ''})`
    await refuseTwins(this.#work, this.#lane, found)
    const asked = `(SELECT * FROM ${this.#asked} WHERE rowid >= ${start} AND rowid < ${end})`
    await cache.add(asked, found, lines.length, this.#context.now())
  }

  get #key(): Schema {
    return this.#work.on.map(({ column }, index) => ({ ...this.#columnOf(column), name: keyName(index) }))
  }

  get #values(): Schema {
    return this.#work.columns.map(({ name, column }) => ({ ...this.#columnOf(column), name }))
  }

  get #renamed(): string[] {
    const { on, columns } = this.#work
    return [
      ...on.map(({ column }, index) => `${quoteName(column)} AS ${quoteName(keyName(index))}`),
      ...columns.map(({ name, column }) => `${quoteName(column)} AS ${quoteName(name)}`),
    ]
  }

  #columnOf(name: string): Schema[number] {
    const found = this.#work.table.schema.find((column) => column.name === name)
    assert(found !== undefined, 'the plan names columns of the table')
    return found
  }

  get #lane(): LaneDatabase {
    assert(this.#database !== undefined, 'the operator is open')
    return this.#database
  }

  #run(sql: string): Promise<unknown[][]> {
    return computing(this.#work.id, this.#lane, sql)
  }
}
