import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { readTable, TypeCatalog, type Lsn } from '../../clients/postgres-replication/index.ts'
import { ChunkFeed, type FeedOptions } from './chunk-feed.ts'
import { hearConfirmations } from './confirmations.ts'
import { connect, connectionOptions } from './connect.ts'
import { LinePool } from './line-pool.ts'
import { namesOf, type Names } from './names.ts'
import { openStream } from './open-stream.ts'
import type { PostgresCdcOptions } from './options.ts'
import { tableSpecFromJson, WAL } from './split.ts'
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
    if (feed instanceof ChunkFeed && feed.isDone) this.#closeFeed()
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
      const catalog = new TypeCatalog()
      const table = await readTable(connection, catalog, tableSpecFromJson(next.spec))
      const feed =
        next.split === WAL
          ? new WalFeed(
              next,
              { catalog, table, lookup: connection, stream: await this.#stream(next, connection) },
              {
                ...this.#feedOptions,
                schema: this.#context.schema,
                log: this.#context.log,
                unchangedValues: this.#options.unchangedValues,
                truncate: this.#options.truncate,
              },
            )
          : await ChunkFeed.open(connection, table, next, this.#feedOptions)
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

  #stream(assignment: SplitAssignment, lookup: Parameters<typeof openStream>[1]): ReturnType<typeof openStream> {
    const options = connectionOptions(this.#options, this.#names.application)
    const from = WalFeed.startOf(assignment)
    return openStream(options, lookup, { names: this.#names, from, clock: this.#context.clock })
  }

  get #feedOptions(): FeedOptions {
    const { changeColumns, specialValues } = this.#options
    return { pool: this.#pool, tail: { columns: changeColumns }, unspeakable: specialValues }
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
