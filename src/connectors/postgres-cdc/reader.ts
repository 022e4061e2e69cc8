import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import {
  readTable,
  readTables,
  TypeCatalog,
  type Lsn,
  type PgConnection,
} from '../../clients/postgres-replication/index.ts'
import { ChunkFeed, type FeedOptions } from './chunk-feed.ts'
import { FollowedTables } from './followed-tables.ts'
import { hearConfirmations } from './confirmations.ts'
import { connect, connectionOptions } from './connect.ts'
import { LinePool } from './line-pool.ts'
import { namesOf, type Names } from './names.ts'
import { openStream } from './open-stream.ts'
import type { PostgresCdcOptions } from './options.ts'
import { tableKey, tableSpecFromJson, WAL, walPositionFromJson, walSpecFromJson } from './split.ts'
import { isWantedBy } from './wanted-tables.ts'
import { WalFeed } from './wal-feed.ts'

/** How long a poll waits for something to come. */
const WAIT_MS = 20

/** Reads chunks of the initial read one after the other, or the log that follows them. */
export class PostgresReader implements SplitReader {
  readonly #options: PostgresCdcOptions
  readonly #context: LaneContext
  readonly #names: Names
  readonly #pool: LinePool
  readonly #stopHearing: () => void
  /** Splits that were not opened yet. */
  #waiting: SplitAssignment[] = []
  #feed: ChunkFeed | WalFeed | undefined
  #confirmed: Lsn = 0n

  constructor(options: PostgresCdcOptions, context: LaneContext) {
    this.#options = options
    this.#context = context
    this.#names = namesOf(options, context)
    this.#pool = new LinePool(context.format.kind === 'bytes' ? context.format.separator : 0x0a)
    this.#stopHearing = hearConfirmations(this.#names.application, (lsn) => this.#hear(lsn))
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#closeFeed()
    this.#waiting = [...splits]
  }

  add(splits: readonly SplitAssignment[]): void {
    this.#waiting.push(...splits)
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    const feed = (this.#feed ??= await this.#openNext())
    if (feed === undefined) {
      await this.#context.clock.sleep(WAIT_MS, signal)
      return []
    }
    const items = await feed.poll(signal, WAIT_MS)
    if (feed.isDone) this.#closeFeed()
    return items
  }

  async close(): Promise<void> {
    this.#stopHearing()
    this.#closeFeed()
  }

  async #openNext(): Promise<ChunkFeed | WalFeed | undefined> {
    const next = this.#waiting[0]
    if (next === undefined) return undefined
    const connection = await connect(this.#options, this.#names.application)
    try {
      const feed = next.split === WAL ? await this.#openWal(next, connection) : await this.#openChunk(next, connection)
      // An assignment that came meanwhile has replaced the list.
      if (this.#waiting[0] !== next) {
        feed.close()
        return undefined
      }
      this.#waiting.shift()
      return feed
    } catch (error) {
      connection.close()
      throw error
    }
  }

  async #openChunk(assignment: SplitAssignment, connection: PgConnection): Promise<ChunkFeed> {
    const table = await readTable(connection, new TypeCatalog(), tableSpecFromJson(assignment.spec))
    return await ChunkFeed.open(connection, table, assignment, this.#feedOptions)
  }

  async #openWal(assignment: SplitAssignment, lookup: PgConnection): Promise<WalFeed> {
    const { truncate, changeColumns, unchangedValues } = this.#options
    const { log, schema, clock } = this.#context
    const catalog = new TypeCatalog()
    const read = walSpecFromJson(assignment.spec).tables
    const keys = new Set(read.map(tableKey))
    const found = await readTables(lookup, catalog, (schemaName, name) =>
      keys.has(tableKey({ schema: schemaName, name })),
    )
    const isWanted = isWantedBy(this.#options)
    const { isSeveral } = this.#feedOptions
    const options = { catalog, log, schema, isSeveral, isWanted, changeColumns, truncate }
    const tables = new FollowedTables(found, read, options)
    const from = walPositionFromJson(assignment.at).lsn
    const target = connectionOptions(this.#options, this.#names.application)
    const stream = await openStream(target, lookup, { names: this.#names, from, clock })
    return new WalFeed(assignment, { stream, tables, lookup }, { ...this.#feedOptions, unchangedValues })
  }

  get #feedOptions(): FeedOptions {
    const { changeColumns, specialValues, tables } = this.#options
    const isSeveral = tables !== undefined
    return { pool: this.#pool, tail: { columns: changeColumns }, unspeakable: specialValues, isSeveral }
  }

  #hear(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn
    if (this.#feed instanceof WalFeed) this.#feed.confirm(this.#confirmed)
  }

  #closeFeed(): void {
    this.#feed?.close()
    this.#feed = undefined
  }
}
