import { assert } from '../../core/assert.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { SourceTable } from '../../core/changes.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  MESSAGE,
  parseLsn,
  quoteName,
  readServerMessage,
  roomFor,
  rowShape,
  serverError,
  Tuple,
  writeRow,
  type KeyColumn,
  type LineTarget,
  type PgConnection,
  type PgTable,
  type RowShape,
} from '../../clients/postgres-replication/index.ts'
import { changeTail, microsText, type TailOptions } from './change-tail.ts'
import { sourceTableOf } from './followed-table.ts'
import { orderedBy, orderedLiteral } from './key-order.ts'
import { hasRoom, type LinePool } from './line-pool.ts'
import { poisoned } from './poison.ts'
import {
  chunkEndToJson,
  chunkPositionFromJson,
  chunkPositionToJson,
  chunkSpecFromJson,
  type ChunkPosition,
  type ChunkSpec,
  type KeyText,
} from './split.ts'

/** What a feed needs of its reader. */
export interface FeedOptions {
  readonly pool: LinePool
  readonly tail: TailOptions
  readonly unspeakable: 'fail' | 'null'
  /** Rows of several tables: batches name theirs. */
  readonly isSeveral: boolean
}

/** A small batch waits so long for more rows. */
const GATHER_MS = 10
const ROWS_FEW = 8192

/**
 * Reads one part of a table in the order of its key, in one transaction, so that one snapshot saw all of it. After a crash
 * it goes on behind the last row with a new snapshot, and both are noted: the log has to leave out what they saw.
 */
export class ChunkFeed {
  readonly split: string
  readonly #spec: ChunkSpec
  readonly #connection: PgConnection
  readonly #options: FeedOptions
  readonly #shape: RowShape
  readonly #isOrdered: boolean
  readonly #named: { readonly table?: SourceTable }
  readonly #tuple = new Tuple()
  readonly #tail: Buffer
  #position: ChunkPosition
  #emitted: JsonObject
  #isDone = false

  /** Begins, or goes on: `connection` is this feed's alone. */
  static async open(
    connection: PgConnection,
    table: PgTable,
    assignment: SplitAssignment,
    options: FeedOptions,
  ): Promise<ChunkFeed> {
    const spec = chunkSpecFromJson(assignment.spec)
    const doing = `reading ${spec.schema}.${spec.name}`
    await connection.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY', doing)
    const [row] = await connection.query(
      'SELECT pg_catalog.pg_current_snapshot(), (extract(epoch FROM now()) * 1000000)::bigint',
      doing,
    )
    const feed = new ChunkFeed(connection, table, assignment, {
      ...options,
      snapshot: row?.[0] ?? '',
      micros: BigInt(row?.[1] ?? 0),
    })
    connection.startRows(feed.#sql(table))
    return feed
  }

  private constructor(
    connection: PgConnection,
    table: PgTable,
    assignment: SplitAssignment,
    options: FeedOptions & { readonly snapshot: string; readonly micros: bigint },
  ) {
    const { snapshot, micros } = options
    this.split = assignment.split
    this.#spec = chunkSpecFromJson(assignment.spec)
    this.#connection = connection
    this.#options = options
    this.#shape = rowShape({
      columns: table.columns,
      key: table.key.map(({ name }) => name),
      hasQuotedJson: options.isSeveral,
    })
    this.#named = options.isSeveral ? { table: sourceTableOf(table, options.tail.columns) } : {}
    this.#isOrdered = table.key.length > 0
    const { start, after, seen } = chunkPositionFromJson(assignment.at)
    // Without a key it begins again at the first row, and the log repeats everything since the first snapshot.
    const isNoted = !this.#isOrdered && seen.length > 0
    const now = { after, snapshot }
    this.#position = { start, after, seen: isNoted ? seen : [...seen, now], high: undefined }
    this.#emitted = assignment.at
    this.#tail = changeTail(options.tail, { op: 'r', lsn: start, index: 0, time: microsText(micros) })
  }

  /** The next batch, the end, or nothing within `waitMs`. */
  async poll(signal: AbortSignal, waitMs: number): Promise<readonly Item[]> {
    const target = this.#options.pool.take()
    let filled = this.#fill(target)
    if (filled === 'waits' && target.rows === 0) await this.#connection.more(waitMs, signal)
    const end = performance.now() + GATHER_MS
    while (filled === 'waits' && !signal.aborted) {
      filled = this.#fill(target)
      const left = end - performance.now()
      if (filled !== 'waits' || target.rows === 0 || target.rows >= ROWS_FEW || left <= 0) break
      await this.#connection.more(left, signal)
    }
    if (target.rows === 0) this.#options.pool.give(target)
    const items: Item[] = target.rows === 0 ? [] : [this.#batch(target)]
    if (filled === 'large') items.push(...this.#large())
    if (filled !== 'done' || this.#isDone) return items
    this.#isDone = true
    return [...items, { kind: 'split-end', split: this.split, at: await this.#end() }]
  }

  get isDone(): boolean {
    return this.#isDone
  }

  close(): void {
    this.#connection.close()
  }

  #fill(target: LineTarget): 'waits' | 'full' | 'large' | 'done' {
    const rows = target.rows
    const why = this.#fillUntil(target)
    // The last row still lies where it was read.
    if (target.rows > rows) this.#passed(this.#connection.inbox.bytes)
    return why
  }

  /** Writes rows until the target is full, the server has no more yet, or the chunk ends. */
  #fillUntil(target: LineTarget): 'waits' | 'full' | 'large' | 'done' {
    const connection = this.#connection
    while (connection.next()) {
      const { type, bytes, at, end } = connection.inbox
      if (type === MESSAGE.error) throw serverError(this.#doing, readServerMessage(bytes, at, end))
      if (type === MESSAGE.ready) return 'done'
      if (type !== MESSAGE.dataRow) continue
      const room = roomFor(this.#shape, end - at)
      if (!hasRoom(target, room)) {
        connection.inbox.unread()
        return target.rows === 0 ? 'large' : 'full'
      }
      this.#write(target, bytes, at)
    }
    return 'waits'
  }

  /** A row that needs a target of its own; it is the next message. */
  #large(): Item[] {
    const connection = this.#connection
    const isThere = connection.next()
    assert(isThere, 'the row that did not fit is there again')
    const { bytes, at, end } = connection.inbox
    const target = this.#options.pool.make(roomFor(this.#shape, end - at))
    this.#write(target, bytes, at)
    this.#passed(bytes)
    return [this.#batch(target)]
  }

  #write(target: LineTarget, bytes: Buffer, at: number): void {
    const { unspeakable } = this.#options
    this.#tuple.readDataRow(bytes, at)
    try {
      writeRow(this.#shape, this.#tuple, bytes, target, this.#tail, { unspeakable })
    } catch (error) {
      throw poisoned(error, this.#spec, this.#shape, 'the initial read')
    }
  }

  #passed(bytes: Buffer): void {
    if (!this.#isOrdered) return
    const after = this.#shape.key.map((column) => this.#tuple.text(column, bytes) ?? '')
    this.#position = { ...this.#position, after }
  }

  #batch(target: LineTarget): Batch {
    const { pool } = this.#options
    const from = this.#emitted
    this.#emitted = chunkPositionToJson(this.#position)
    return {
      kind: 'batch',
      split: this.split,
      from,
      next: this.#emitted,
      body: {
        kind: 'bytes',
        buffer: target.buffer,
        length: target.length,
        separator: target.separator,
        ends: target.ends,
      },
      ...this.#named,
      rows: target.rows,
      bytes: target.length,
      release: () => pool.give(target),
    }
  }

  /** Everything that the snapshot saw was written to the log before this place. */
  async #end(): Promise<JsonObject> {
    const [row] = await this.#connection.query('SELECT pg_catalog.pg_current_wal_insert_lsn()', this.#doing)
    await this.#connection.query('COMMIT', this.#doing)
    this.#connection.close()
    return chunkEndToJson(this.#spec, { ...this.#position, high: parseLsn(row?.[0] ?? '') })
  }

  #sql(table: PgTable): string {
    const columns = table.columns.map(({ name }) => quoteName(name)).join(', ')
    const from = `${table.isPartitioned ? '' : 'ONLY '}${quoteName(table.schema)}.${quoteName(table.name)}`
    const where = this.#where(table.key)
    const order = this.#isOrdered ? ` ORDER BY ${table.key.map(orderedBy).join(', ')}` : ''
    return `SELECT ${columns} FROM ${from}${where}${order}`
  }

  #where(key: readonly KeyColumn[]): string {
    const [first] = key
    const { lo, hi } = this.#spec
    const { after } = this.#position
    if (first === undefined) return ''
    const isBehind = (values: KeyText): string =>
      `(${key.map(orderedBy).join(', ')}) > (${key.map((column, index) => orderedLiteral(column, values[index] ?? '')).join(', ')})`
    // Of a row of values only the first ones may be in the index: it has to be told of that one by itself.
    const from = after === undefined ? lo : (after[0] ?? lo)
    const conditions = [
      ...(from === undefined ? [] : [`${orderedBy(first)} >= ${orderedLiteral(first, from)}`]),
      ...(hi === undefined ? [] : [`${orderedBy(first)} < ${orderedLiteral(first, hi)}`]),
      ...(after === undefined ? [] : [isBehind(after)]),
    ]
    return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  }

  get #doing(): string {
    return `reading ${this.#spec.schema}.${this.#spec.name}`
  }
}
