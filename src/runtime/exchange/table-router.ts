import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import {
  keyLaneSql,
  keyTextSql,
  quoteName,
  quoteText,
  type InnerColumn,
  type LaneDatabase,
} from '../../dataplane/index.ts'
import type { Parcel, Router } from './sender.ts'
import type { Spreader } from './spreader.ts'
import { moving, TableBlocks } from './table-blocks.ts'

export interface TableRouterOptions {
  readonly id: string
  readonly lane: number
  readonly lanes: number
  /** SQL expressions over the rows. */
  readonly key: readonly string[]
  readonly schema: Schema
  /** Of rows that never leave the lanes, in place of those of the schema. */
  readonly inner?: readonly InnerColumn[] | undefined
  database(): Promise<LaneDatabase>
  /** Where the rows of a key may go anywhere: decides where they go. Without it each key has its one lane. */
  readonly spreader: Spreader | undefined
}

/** Shares tables out to lanes by the value of the key. */
export class TableRouter implements Router {
  readonly #options: TableRouterOptions
  readonly #blocks: TableBlocks
  /** The lane of every row that is being shared out. */
  readonly #lanes: string

  constructor(options: TableRouterOptions) {
    this.#options = options
    this.#blocks = new TableBlocks(options.id, options.schema, options.database, options.inner)
    this.#lanes = quoteName(`lanes of ${options.id}`)
  }

  async *route(batches: readonly Batch[]): AsyncIterable<Parcel> {
    const { lane: own } = this.#options
    const left = new Set(batches)
    try {
      const rows = this.#union(batches)
      const place = await this.#place(rows, batches)
      const counts = await this.#counts(rows, place)
      if (counts.length === 1 && counts[0]?.lane === own) {
        for (const batch of batches) {
          left.delete(batch)
          yield { lane: own, batch }
        }
        return
      }
      const bytesPerRow = sum(batches, ({ bytes }) => bytes) / sum(batches, (batch) => batch.rows)
      for (const { lane, rows: count } of counts) {
        const head = { rows: count, bytes: Math.round(count * bytesPerRow) }
        const part =
          counts.length === 1 ? rows : `${rows} POSITIONAL JOIN ${this.#lanes} WHERE ${this.#lanes}.lane = ${lane}`
        const batch = lane === own ? await this.#blocks.keep(part, head) : await this.#blocks.pack(part, head)
        yield { lane, batch }
      }
    } finally {
      for (const batch of left) batch.release()
    }
  }

  /** The rows of all batches, in order, as something to select from. */
  #union(batches: readonly Batch[]): string {
    const columns = (this.#options.inner ?? this.#options.schema).map(({ name }) => quoteName(name)).join(', ')
    const selects = batches.map(({ body }) => {
      assert(body.kind === 'table', 'the plan gives tables to an exchange')
      return `SELECT ${columns} FROM ${quoteName(body.relation)}`
    })
    return `(${selects.join(' UNION ALL ')}) AS ${quoteName('rows')}`
  }

  /** A lane for all rows, or an SQL expression that gives it for each of them. */
  async #place(rows: string, batches: readonly Batch[]): Promise<number | string> {
    const { key, lanes, lane: own, spreader } = this.#options
    if (spreader === undefined) return keyLaneSql(key, lanes)
    const text = keyTextSql(key)
    const counted = await this.#run(`SELECT ${text}, count(*) FROM ${rows} GROUP BY 1`)
    const bytesPerRow = sum(batches, ({ bytes }) => bytes) / sum(batches, (batch) => batch.rows)
    const byLane = new Map<number, string[]>()
    for (const [value, count] of counted) {
      const lane = spreader.place(String(value), Number(count) * bytesPerRow)
      const values = byLane.get(lane) ?? []
      values.push(String(value))
      byLane.set(lane, values)
    }
    const [only] = byLane.keys()
    if (byLane.size === 1 && only !== undefined) return only
    const cases = [...byLane]
      .filter(([lane]) => lane !== own)
      .map(([lane, values]) => `WHEN ${text} IN (${values.map(quoteText).join(', ')}) THEN ${lane}`)
    return `CASE ${cases.join(' ')} ELSE ${own} END`
  }

  async #counts(rows: string, place: number | string): Promise<{ readonly lane: number; readonly rows: number }[]> {
    if (typeof place === 'number') {
      const [count] = (await this.#run(`SELECT count(*) FROM ${rows}`))[0] ?? []
      return [{ lane: place, rows: Number(count) }]
    }
    await this.#run(
      `CREATE OR REPLACE TEMP TABLE ${this.#lanes} AS SELECT CAST(${place} AS USMALLINT) AS lane FROM ${rows}`,
    )
    const counted = await this.#run(`SELECT lane, count(*) FROM ${this.#lanes} GROUP BY 1 ORDER BY 1`)
    return counted.map(([lane, count]) => ({ lane: Number(lane), rows: Number(count) }))
  }

  async #run(sql: string): Promise<unknown[][]> {
    const database = await this.#options.database()
    return moving(() => database.run(sql))
  }
}

function sum(batches: readonly Batch[], of: (batch: Batch) => number): number {
  return batches.reduce((total, batch) => total + of(batch), 0)
}
