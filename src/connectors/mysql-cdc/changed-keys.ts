import { tableId } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import {
  BinlogStream,
  hasReached,
  layoutOf,
  LineBuffer,
  mappedNames,
  parseTableMap,
  RowLines,
  tableIdOf,
  type Charsets,
  type RowsEvent,
} from '../../clients/mysql-replication/index.ts'
import { openConnection, readCharsets } from './connect.ts'
import { isWanted, type MysqlCdcOptions } from './options.ts'
import type { ChunkSpec } from './split.ts'

/** The server says where it is so often, also when there is nothing. */
const HEARTBEAT_MS = 200
const NOTHING = Buffer.alloc(0)

interface WatchedTable {
  readonly lines: RowLines
  readonly keys: Set<string>
}

/**
 * Keys that changed since a place in the log, table by table.
 *
 * A chunk is read at any later time, and rows whose key is here are left out: whoever reads the log from that place on
 * meets their changes anyway. All others are as they were at that place. So all chunks together show one moment, however
 * long they take, and the log goes on from it without a gap or a double.
 */
export class ChangedKeys {
  readonly #stream: BinlogStream
  readonly #charsets: Charsets
  readonly #options: MysqlCdcOptions
  readonly #wanted: (database: string, name: string) => boolean
  readonly #tables = new Map<number, WatchedTable | undefined>()
  readonly #keys = new Map<string, Set<string>>()
  readonly #line = new LineBuffer(1024)
  #count = 0

  /** From the place of a chunk on. All chunks that are read at a time have the same place. */
  static async open(
    options: MysqlCdcOptions,
    { place, joining }: Pick<ChunkSpec, 'place' | 'joining'>,
    serverId: number,
  ): Promise<ChangedKeys> {
    const connection = await openConnection(options)
    try {
      const charsets = await readCharsets(connection)
      const stream = await BinlogStream.open(connection, place, { serverId, heartbeatMs: HEARTBEAT_MS })
      return new ChangedKeys(stream, charsets, options, joining?.tables)
    } catch (error) {
      connection.close()
      throw error
    }
  }

  private constructor(
    stream: BinlogStream,
    charsets: Charsets,
    options: MysqlCdcOptions,
    among: readonly string[] | undefined,
  ) {
    this.#stream = stream
    this.#charsets = charsets
    this.#options = options
    const wanted = isWanted(options)
    this.#wanted = (database, name) => wanted(database, name) && among?.includes(tableId(database, name)) !== false
  }

  /** Reads on until the log was read up to there; false when `signal` was aborted before. */
  async readTo(wanted: { readonly file: string; readonly position: number }, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      for (let item = this.#stream.next(); item !== undefined; item = this.#stream.next()) {
        if (item.kind === 'table-map') this.#map(item.body)
        if (item.kind === 'rows') this.#take(item.rows)
      }
      if (hasReached(this.#stream.at, wanted)) return true
      if (!(await this.#stream.more(signal))) return false
    }
  }

  /** Beginnings of rows, up to the end of the key, as they stand in JSON. */
  of(database: string, table: string): ReadonlySet<string> {
    return this.#setOf(database, table)
  }

  close(): void {
    this.#stream.close()
  }

  #setOf(database: string, table: string): Set<string> {
    const id = `${database}\0${table}`
    let keys = this.#keys.get(id)
    if (keys === undefined) {
      keys = new Set()
      this.#keys.set(id, keys)
    }
    return keys
  }

  #map(body: Buffer): void {
    const id = tableIdOf(body)
    const { database, table } = mappedNames(body)
    if (!this.#wanted(database, table)) return void this.#tables.set(id, undefined)
    const map = parseTableMap(body, this.#stream.writtenBy)
    const others = new Set(map.columns.filter(({ isKey }) => !isKey).map(({ name }) => name))
    const columns = layoutOf(map, { charsets: this.#charsets, without: others })
    const lines = new RowLines(columns, { separator: 0x0a, zeroDates: 'null', table: `${database}.${table}` })
    this.#tables.set(id, { lines, keys: this.#setOf(database, table) })
  }

  #take(event: RowsEvent): void {
    const table = this.#tables.get(event.tableId)
    if (table === undefined) return
    const image = event.hasParts ? table.lines.wholeImages(event.image, event.from) : event.image
    const from = event.hasParts ? 0 : event.from
    const line = this.#line
    // An update has two images, which may have different keys: both are not what they were.
    for (let at = from; at < image.length;) {
      line.clear()
      at = table.lines.upsert(image, at, line, NOTHING)
      const before = table.keys.size
      table.keys.add(line.bytes.toString('latin1', 0, line.length - 2))
      this.#count += table.keys.size - before
    }
    if (this.#count <= this.#options.changedKeysMax) return
    throw new MillraceError(
      `reading the initial snapshot: more than ${this.#options.changedKeysMax} keys have changed since it began. Raise ` +
        '`changedKeysMax` if there is memory for it, read fewer tables at a time, or begin when less is written',
      { code: 'PREFLIGHT', detail: { changedKeysMax: this.#options.changedKeysMax } },
    )
  }
}
