import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { ChangedKeys } from './changed-keys.ts'
import { ChunkCursor } from './chunk-cursor.ts'
import { openConnection, serverIdOf } from './connect.ts'
import { LogCursor } from './log-cursor.ts'
import type { MysqlCdcOptions } from './options.ts'
import { isChunk, type ChunkSpec } from './split.ts'
import { hearJoins, type Join } from './turns.ts'

const IDLE_MS = 20
/** Another reader with our server id that does not go away: whoever is started again once would not come so often. */
const KICKS_MAX = 3

type Cursor = ChunkCursor | LogCursor

/** Reads chunks of initial rows and the log in one lane, in turn where it has both. */
export class MysqlCdcReader implements SplitReader {
  readonly #options: MysqlCdcOptions
  readonly #context: LaneContext
  #cursors: Cursor[] = []
  #connection: Promise<MysqlConnection> | undefined
  #changed: Promise<ChangedKeys> | undefined
  #closing: Promise<unknown> = Promise.resolve()
  #generation = 0
  #kicks = 0
  #join: Join | undefined
  readonly #stopHearing: () => void

  constructor(options: MysqlCdcOptions, context: LaneContext) {
    this.#options = options
    this.#context = context
    this.#stopHearing = hearJoins(context, (join) => (this.#join = join))
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#generation++
    const old = this.#cursors
    const [connection, changed] = [this.#connection, this.#changed]
    this.#connection = undefined
    this.#changed = undefined
    this.#cursors = []
    this.#closing = Promise.allSettled([this.#closing, closeAll(old, connection, changed)])
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const split of splits) this.#cursors.push(this.#open(split))
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    const [cursor] = this.#cursors
    if (cursor === undefined) {
      await this.#context.clock.sleep(IDLE_MS, signal)
      return []
    }
    // What was opened for chunks is closed when there are none any more.
    await this.#closing
    const generation = this.#generation
    const items = await this.#next(cursor, signal)
    if (generation !== this.#generation) {
      for (const item of items) if (item.kind === 'batch') item.release()
      return []
    }
    if (items.some(({ kind }) => kind === 'split-end')) this.#end(cursor)
    else this.#rotate(cursor)
    return items
  }

  async close(): Promise<void> {
    this.#stopHearing()
    this.assign([])
    await this.#closing
  }

  #open(split: SplitAssignment): Cursor {
    const { format, tables, schema, clock, lane } = this.#context
    const separator = format.kind === 'bytes' ? format.separator : 0x0a
    const settings = { options: this.#options, separator, hasTables: tables === true }
    const serverId = serverIdOf(this.#options, this.#context)
    const join = (): Join | undefined => this.#join
    if (!isChunk(split.spec)) return new LogCursor(split, { ...settings, schema, serverId, clock, join })
    return new ChunkCursor(split, {
      ...settings,
      connection: () => (this.#connection ??= openConnection(this.#options)),
      changed: (spec: ChunkSpec) => (this.#changed ??= ChangedKeys.open(this.#options, spec, serverId + 1 + lane)),
    })
  }

  async #next(cursor: Cursor, signal: AbortSignal): Promise<Item[]> {
    try {
      return await cursor.next(signal)
    } catch (thrown) {
      const isKick = thrown instanceof MillraceError && thrown.detail['serverId'] !== undefined
      if (isKick) this.#kicks++
      if (this.#kicks < KICKS_MAX) throw thrown
      throw new MillraceError(
        `${(thrown as Error).message}. It happened ${this.#kicks} times: give this source another \`serverId\``,
        { code: 'CONFIG', cause: thrown },
      )
    }
  }

  /** The log never ends: what is read beside it has its turn, too. Chunks are read one after the other. */
  #rotate(cursor: Cursor): void {
    const isChunkOpen = cursor instanceof ChunkCursor
    const next = this.#cursors.find((other) => other instanceof ChunkCursor !== isChunkOpen)
    if (next !== undefined) this.#cursors = [next, ...this.#cursors.filter((other) => other !== next)]
  }

  #end(cursor: Cursor): void {
    this.#cursors = this.#cursors.filter((other) => other !== cursor)
    if (cursor instanceof LogCursor) cursor.close()
    if (this.#cursors.some((other) => other instanceof ChunkCursor)) return
    this.#closing = Promise.allSettled([this.#closing, closeAll([], this.#connection, this.#changed)])
    this.#connection = undefined
    this.#changed = undefined
  }
}

async function closeAll(
  cursors: readonly Cursor[],
  connection: Promise<MysqlConnection> | undefined,
  changed: Promise<ChangedKeys> | undefined,
): Promise<void> {
  for (const cursor of cursors) if (cursor instanceof LogCursor) cursor.close()
  await connection?.then((open) => open.close()).catch(() => undefined)
  await changed?.then((open) => open.close()).catch(() => undefined)
  for (const cursor of cursors) if (cursor instanceof ChunkCursor) await cursor.rest()
}
