import type { Clock, Logger } from '../../core/context.ts'
import { isSameCut, type Cut } from './cut.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import type { TableShape } from './table-shape.ts'

/** How the end of a slice is made safe against rows that are committed late. */
export type LateRows =
  /** Waits for every transaction that may hold a smaller value. */
  | { readonly kind: 'wait'; readonly isAnyTransaction: boolean }
  /** Trusts that no transaction takes longer. */
  | { readonly kind: 'lag'; readonly lagMs: number }

export interface HorizonOptions {
  readonly id: string
  readonly lateRows: LateRows
  /** Of the clock that fills columns without a zone; `undefined`: the server's. */
  readonly zone: string | undefined
  readonly clock: Clock
  readonly log: Logger
}

/** How long somebody may hold up a slice before it is told. */
const TOLD_AFTER_MS = 10_000

/** Finds out up to where a table is finished: no row will come there any more. */
export class Horizon {
  readonly #dialect: SliceDialect
  readonly #shape: TableShape
  readonly #options: HorizonOptions
  #settled: Cut | undefined
  /** Greatest keys that were seen, with when: for values that are no times and have to grow old. */
  readonly #seen: { readonly cut: Cut; readonly at: number }[] = []

  constructor(dialect: SliceDialect, shape: TableShape, options: HorizonOptions) {
    this.#dialect = dialect
    this.#shape = shape
    this.#options = options
  }

  /** `undefined`: nothing of the table is finished yet. */
  async find(session: SliceSession, signal: AbortSignal): Promise<Cut | undefined> {
    const { lateRows, clock } = this.#options
    if (lateRows.kind === 'lag') return await this.#aged(session, lateRows.lagMs)
    const cut = await this.#candidate(session, 0)
    if (cut === undefined || this.#kind === 'transaction') return cut
    // Nothing greater came: what is before it was finished the last time already.
    if (this.#settled !== undefined && isSameCut(cut, this.#settled)) return cut
    const { id, log } = this.#options
    const began = clock.now()
    let toldAt = 0
    await this.#dialect.settle(session, {
      shape: this.#shape,
      isAnyTransaction: lateRows.isAnyTransaction,
      signal,
      sleep: async (ms) => await clock.sleep(ms, signal),
      waiting: (what) => {
        const isFirst = toldAt === 0
        if (!isFirst && clock.now() - toldAt < TOLD_AFTER_MS) return
        toldAt = clock.now()
        const seconds = Math.round((toldAt - began) / 1000)
        const message = `${id}: ${this.#shape.table} is not read further since ${seconds} s: rows may still come from ${what}`
        if (isFirst) log.debug(message)
        else log.warn(message)
      },
    })
    this.#settled = cut
    return cut
  }

  get #kind(): string {
    return this.#shape.key[0]?.kind ?? 'other'
  }

  /** The end of the table as it looks now: by the server's clock, by its transactions, or by the greatest key. */
  async #candidate(session: SliceSession, lagMs: number): Promise<Cut | undefined> {
    const dialect = this.#dialect
    const { key, table } = this.#shape
    const [first] = key
    if (first?.kind === 'moment')
      return beforeValue(await session.rows(dialect.clockSql(first, lagMs, this.#options.zone)))
    if (first?.kind === 'transaction') return beforeValue(await session.rows(dialect.transactionSql()))
    return await greatestKey(session, dialect, { key, table })
  }

  async #aged(session: SliceSession, lagMs: number): Promise<Cut | undefined> {
    if (this.#kind === 'moment') return await this.#candidate(session, lagMs)
    const now = this.#options.clock.now()
    const cut = await this.#candidate(session, 0)
    const last = this.#seen.at(-1)?.cut
    if (cut !== undefined && (last === undefined || !isSameCut(cut, last))) this.#seen.push({ cut, at: now })
    const old = this.#seen.findLastIndex(({ at }) => at + lagMs <= now)
    if (old > 0) this.#seen.splice(0, old)
    return old < 0 ? undefined : this.#seen[0]?.cut
  }
}

interface KeyAsk extends Pick<TableShape, 'key' | 'table'> {
  readonly asOf?: string | undefined
}

/** Behind the greatest key that the table has now. */
export async function greatestKey(session: SliceSession, dialect: SliceDialect, ask: KeyAsk): Promise<Cut | undefined> {
  const key = await outermostKey(session, dialect, ask, 'DESC')
  return key === undefined ? undefined : { key, side: 'after' }
}

/** Before the least key that the table has now. */
export async function leastKey(session: SliceSession, dialect: SliceDialect, ask: KeyAsk): Promise<Cut | undefined> {
  const key = await outermostKey(session, dialect, ask, 'ASC')
  return key === undefined ? undefined : { key, side: 'before' }
}

async function outermostKey(
  session: SliceSession,
  dialect: SliceDialect,
  { key, table, asOf }: KeyAsk,
  direction: 'ASC' | 'DESC',
): Promise<readonly string[] | undefined> {
  const names = key.map(({ name }) => dialect.quote(name))
  const order = names.map((name) => `${name} ${direction}`).join(', ')
  // Under names of their own: a text that is called like its column would be what is ordered by.
  const values = key.map((column, index) => `${dialect.keyText(column)} AS part_${index}`).join(', ')
  const [row] = await session.rows(
    `SELECT ${values} FROM ${dialect.tableSql(table, asOf)} WHERE ${names[0]} IS NOT NULL ORDER BY ${order} LIMIT 1`,
  )
  return row?.map((value) => value ?? '')
}

function beforeValue(rows: readonly (readonly (string | null)[])[]): Cut | undefined {
  const value = rows[0]?.[0]
  return value === null || value === undefined ? undefined : { key: [value], side: 'before' }
}
