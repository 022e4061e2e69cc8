import { MillraceError } from '../../core/errors.ts'
import type { JsonLines, KeyedAsk, KeyedReader } from '../../core/keyed-reader.ts'
import type { SliceDialect, SliceSession } from './dialect.ts'
import type { LineTarget } from './line-target.ts'
import { hasRoom, LinePool } from './line-target.ts'
import { SessionPool } from './session-pool.ts'
import { SliceQuery } from './slice-query.ts'
import type { KeyColumn, TableShape } from './table-shape.ts'

const LINE_FEED = 0x0a
/** Statements of a lane at a time. */
const SESSIONS = 2

/** Rows of a table by their keys: one statement for many of them, values as exact as those of slices. */
export class KeyedRows implements KeyedReader {
  readonly #dialect: SliceDialect
  readonly #table: string
  readonly #where: string | undefined
  readonly #ask: KeyedAsk
  readonly #sessions: SessionPool
  readonly #lines = new LinePool()
  #shape: Promise<TableShape> | undefined

  constructor(
    dialect: SliceDialect,
    { table, where }: { readonly table?: string | undefined; readonly where?: string | undefined },
    ask: KeyedAsk,
  ) {
    if (table === undefined) throw new MillraceError('a lookup by key needs a `table`', { code: 'CONFIG' })
    this.#dialect = dialect
    this.#table = table
    this.#where = where
    this.#ask = ask
    this.#sessions = new SessionPool(dialect, SESSIONS)
  }

  fetch(keys: readonly (readonly string[])[], signal: AbortSignal): Promise<JsonLines> {
    return this.#sessions.use(async (session) => {
      this.#shape ??= this.#look(session).catch((thrown: unknown) => {
        this.#shape = undefined
        throw thrown
      })
      return await this.#read(session, await this.#shape, keys, signal)
    })
  }

  close(): Promise<void> {
    return this.#sessions.close()
  }

  async #look(session: SliceSession): Promise<TableShape> {
    const { keys, schema } = this.#ask
    return await this.#dialect.shape(session, {
      table: this.#table,
      column: keys,
      columns: schema.map(({ name }) => name),
    })
  }

  async #read(
    session: SliceSession,
    shape: TableShape,
    keys: readonly (readonly string[])[],
    signal: AbortSignal,
  ): Promise<JsonLines> {
    const spec = {
      name: this.#table,
      table: this.#table,
      key: this.#ask.keys,
      where: undefined,
      asOf: undefined,
      isFollowing: false,
    }
    const { layout } = new SliceQuery(this.#dialect, shape, spec, LINE_FEED)
    const encoder = this.#dialect.encoder(layout)
    const full: LineTarget[] = []
    let target: LineTarget | undefined
    const take = (bytes: Buffer, start: number, end: number): undefined => {
      const most = encoder.bytesMax(end - start)
      if (target !== undefined && !hasRoom(target, most)) {
        full.push(target)
        target = undefined
      }
      target ??= this.#lines.take(most)
      encoder.encode(target, bytes, start, end)
    }
    const columns = layout.columns.map(({ sql }) => sql).join(', ')
    const extra = this.#where === undefined ? '' : ` AND (${this.#where})`
    const from = this.#dialect.tableSql(this.#table)
    const condition = anyOf(this.#dialect, shape.key.slice(0, this.#ask.keys.length), keys)
    await session.stream(
      this.#dialect.streamed(`SELECT ${columns} FROM ${from} WHERE ${condition}${extra}`),
      take,
      signal,
    )
    signal.throwIfAborted()
    if (target !== undefined) full.push(target)
    const buffer = Buffer.concat(full.map((one) => one.buffer.subarray(0, one.length)))
    const rows = full.reduce((sum, one) => sum + one.rows, 0)
    for (const one of full) this.#lines.give(one)
    return { buffer, length: buffer.length, rows }
  }
}

/** Rows that have one of the keys, in words that the server has an index for. */
function anyOf(dialect: SliceDialect, columns: readonly KeyColumn[], keys: readonly (readonly string[])[]): string {
  const names = columns.map(({ name }) => dialect.quote(name))
  const tuples = keys.map((key) => columns.map((column, index) => dialect.literal(column, key[index] ?? '')))
  if (names.length === 1) return `${names.join('')} IN (${tuples.flat().join(', ')})`
  return `(${names.join(', ')}) IN (${tuples.map((tuple) => `(${tuple.join(', ')})`).join(', ')})`
}
