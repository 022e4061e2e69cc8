import type { Item } from '../../core/batch.ts'
import type { SourceTable } from '../../core/changes.ts'
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
import {
  chunkPositionFromJson,
  chunkEndToJson,
  chunkSpecFromJson,
  tableKey,
  WAL,
  walSpecFromJson,
  type WalSpec,
} from './split.ts'
import { hearJoins, nextTurn, type Join, type Turn } from './turns.ts'
import { WalFeed } from './wal-feed.ts'
import { firstReads, narrowed, tablesOf, walPositionFromJson, type WalPosition, type WalReads } from './wal-position.ts'

/** How long a poll waits for something to come. */
const WAIT_MS = 20

/** Where nothing comes and there is something else to read, nobody waits. */
const GLANCE_MS = 1

/** Reads chunks one after the other, and the log, which some of them are read beside. */
export class PostgresReader implements SplitReader {
  readonly #options: PostgresCdcOptions
  readonly #context: LaneContext
  readonly #names: Names
  readonly #pool: LinePool
  readonly #stopHearing: readonly (() => void)[]
  /** Splits that were not opened yet. */
  #waiting: SplitAssignment[] = []
  #chunk: ChunkFeed | undefined
  #wal: { readonly feed: WalFeed; readonly assignment: SplitAssignment } | undefined
  #isChunkNext = true
  #confirmed: Lsn = 0n
  #join: Join | undefined
  /** How sinks know the tables of the log. */
  #told = new Map<string, SourceTable>()

  constructor(options: PostgresCdcOptions, context: LaneContext) {
    this.#options = options
    this.#context = context
    this.#names = namesOf(options, context)
    this.#pool = new LinePool(context.format.kind === 'bytes' ? context.format.separator : 0x0a)
    const { application } = this.#names
    this.#stopHearing = [
      hearConfirmations(application, (lsn) => this.#hear(lsn)),
      hearJoins(application, (join) => (this.#join = join)),
    ]
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#closeFeeds()
    this.#waiting = [...splits]
    this.#join = undefined
    this.#told = new Map()
  }

  add(splits: readonly SplitAssignment[]): void {
    this.#waiting.push(...splits)
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    const gone = await this.#openNext()
    if (gone !== undefined) return [gone]
    const [chunk, wal] = [this.#chunk, this.#wal]
    if (chunk === undefined && wal === undefined) {
      await this.#context.clock.sleep(WAIT_MS, signal)
      return []
    }
    // The log never ends: each has its turn.
    const isChunkTurn = chunk !== undefined && (wal === undefined || this.#isChunkNext)
    this.#isChunkNext = !isChunkTurn
    if (isChunkTurn) return await this.#pollChunk(chunk, signal)
    return wal === undefined ? [] : await this.#pollWal(wal, signal, chunk === undefined ? WAIT_MS : GLANCE_MS)
  }

  async close(): Promise<void> {
    for (const stop of this.#stopHearing) stop()
    this.#closeFeeds()
  }

  async #pollChunk(chunk: ChunkFeed, signal: AbortSignal): Promise<readonly Item[]> {
    const items = await chunk.poll(signal, WAIT_MS)
    if (chunk.isDone && this.#chunk === chunk) {
      chunk.close()
      this.#chunk = undefined
    }
    return items
  }

  async #pollWal(
    { feed, assignment }: { readonly feed: WalFeed; readonly assignment: SplitAssignment },
    signal: AbortSignal,
    waitMs: number,
  ): Promise<readonly Item[]> {
    const items = await feed.poll(signal, waitMs)
    if (this.#wal?.feed !== feed) return items
    const { turnedTo } = feed
    if (!feed.isDone && turnedTo === undefined) return items
    feed.close()
    this.#wal = undefined
    if (turnedTo !== undefined) this.#waiting.unshift({ ...assignment, at: turnedTo })
    return items
  }

  /** Opens what has its turn. Returns the end of a chunk whose table is not there any more. */
  async #openNext(): Promise<Item | undefined> {
    const next = this.#waiting.find(({ split }) => (split === WAL ? this.#wal : this.#chunk) === undefined)
    if (next === undefined) return undefined
    const connection = await connect(this.#options, this.#names.application)
    let isTaken = false
    try {
      const feed = next.split === WAL ? await this.#openWal(next, connection) : await this.#openChunk(next, connection)
      // An assignment that came meanwhile has replaced the list.
      if (!this.#waiting.includes(next)) {
        if (feed instanceof WalFeed || feed instanceof ChunkFeed) feed.close()
        return undefined
      }
      this.#waiting = this.#waiting.filter((one) => one !== next)
      isTaken = true
      if (feed instanceof WalFeed) this.#wal = { feed, assignment: next }
      else if (feed instanceof ChunkFeed) this.#chunk = feed
      else {
        connection.close()
        return feed
      }
      return undefined
    } finally {
      if (!isTaken) connection.close()
    }
  }

  async #openChunk(assignment: SplitAssignment, connection: PgConnection): Promise<ChunkFeed | Item> {
    const { split, spec, at } = assignment
    const chunk = chunkSpecFromJson(spec)
    const catalog = new TypeCatalog()
    const [table] = await readTables(
      connection,
      catalog,
      (schema, name) => schema === chunk.schema && name === chunk.name,
    )
    // Nobody has followed it yet. One of its name that was made since joins for itself.
    if (chunk.isJoining && table?.oid !== chunk.oid) {
      this.#context.log.warn(`${chunk.schema}.${chunk.name} was dropped before it was read to its end`)
      return { kind: 'split-end', split, at: chunkEndToJson(chunk, { ...chunkPositionFromJson(at), high: 0n }) }
    }
    return await ChunkFeed.open(
      connection,
      table ?? (await readTable(connection, catalog, chunk)),
      assignment,
      this.#feedOptions,
    )
  }

  async #openWal(assignment: SplitAssignment, lookup: PgConnection): Promise<WalFeed> {
    const { truncate, changeColumns, unchangedValues } = this.#options
    const { log, schema, clock } = this.#context
    const catalog = new TypeCatalog()
    const spec = walSpecFromJson(assignment.spec)
    const position = walPositionFromJson(assignment.at)
    const before = position.reads ?? firstReads({ tables: this.#options.tables, resync: {} })
    const reads = narrowed(spec, before, this.#options.tables)
    const read = tablesOf(spec, reads).filter((table) => reads.held[tableKey(table)] === undefined)
    const keys = new Set(read.map(tableKey))
    const found = await readTables(lookup, catalog, (schemaName, name) =>
      keys.has(tableKey({ schema: schemaName, name })),
    )
    const { isSeveral } = this.#feedOptions
    const options = { catalog, log, schema, isSeveral, changeColumns, truncate, told: this.#told }
    const tables = new FollowedTables(found, read, options)
    const target = connectionOptions(this.#options, this.#names.application)
    const stream = await openStream(target, lookup, { names: this.#names, from: position.lsn, clock })
    const turn = this.#turnOf(spec)
    return new WalFeed(assignment, { stream, tables, lookup, reads, turn }, { ...this.#feedOptions, unchangedValues })
  }

  /** Looks for the next turn only when there is something new that may ask for one. */
  #turnOf(spec: WalSpec): (position: WalPosition & { readonly reads: WalReads }) => Turn | undefined {
    let last: { readonly reads: WalReads; readonly join: Join | undefined } | undefined
    return (position) => {
      const { reads, ahead } = position
      if (last?.reads === reads && last.join === this.#join) return undefined
      last = { reads, join: this.#join }
      return nextTurn(this.#options, { here: position, ahead, reads, tables: tablesOf(spec, reads) }, this.#join)
    }
  }

  get #feedOptions(): FeedOptions {
    const { changeColumns, specialValues, tables } = this.#options
    const isSeveral = tables !== undefined
    return { pool: this.#pool, tail: { columns: changeColumns }, unspeakable: specialValues, isSeveral }
  }

  #hear(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn
    this.#wal?.feed.confirm(this.#confirmed)
  }

  #closeFeeds(): void {
    this.#chunk?.close()
    this.#wal?.feed.close()
    this.#chunk = undefined
    this.#wal = undefined
  }
}
