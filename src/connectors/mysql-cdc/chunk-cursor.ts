import type { Batch, Item } from '../../core/batch.ts'
import type { SourceTable } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment } from '../../core/source.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import type { ChangedKeys } from './changed-keys.ts'
import { quoteName } from './connect.ts'
import { writtenUpTo } from './log-place.ts'
import type { MysqlCdcOptions } from './options.ts'
import { Page } from './page.ts'
import { readTables } from './read-tables.ts'
import { behind, keyLiterals, snapshotColumns, type KeyLiteral, type SnapshotColumn } from './snapshot-columns.ts'
import { chunkPosition, chunkSpec, toJson, type ChunkPosition, type ChunkSpec } from './split.ts'
import { shapeDigest } from './table-shape.ts'

/** A page is so large at most, as far as the server's guess of the rows' size is right. */
const PAGE_BYTES = 4 * 1024 * 1024

export interface ChunkSettings {
  readonly options: MysqlCdcOptions
  readonly separator: number
  readonly hasTables: boolean
  /** A connection for queries, shared by the chunks of a lane: one of them is read at a time. */
  readonly connection: () => Promise<MysqlConnection>
  readonly changed: (spec: ChunkSpec) => Promise<ChangedKeys>
}

/** What a chunk's queries are made of. */
interface Reading {
  readonly shape: SourceTable
  readonly columns: readonly SnapshotColumn[]
  readonly keyOrder: readonly string[]
  readonly literals: readonly KeyLiteral[]
  readonly limit: number
}

interface FilledPage {
  readonly page: Page
  readonly next: readonly string[]
  readonly isLast: boolean
  /** Everything that the query saw is in the log before this place. */
  readonly writtenUpTo: { readonly file: string; readonly position: number }
}

/** Reads the initial rows of one chunk, page by page; the next page is on its way while one is handed on. */
export class ChunkCursor {
  readonly split: string
  readonly #spec: ChunkSpec
  readonly #settings: ChunkSettings
  readonly #free: Page[] = []
  #after: readonly string[] | null
  #reading: Promise<Reading> | undefined
  #ahead: Promise<FilledPage> | undefined
  #isDone = false

  constructor(assignment: SplitAssignment, settings: ChunkSettings) {
    this.split = assignment.split
    this.#spec = chunkSpec(assignment.spec)
    this.#settings = settings
    this.#after = chunkPosition(assignment.at).after
  }

  /** The next items; none when `signal` was aborted before they were there. */
  async next(signal: AbortSignal): Promise<Item[]> {
    if (this.#isDone) return []
    const reading = await (this.#reading ??= this.#open())
    const filled = await (this.#ahead ??= this.#fill(reading, this.#after))
    const changed = await this.#settings.changed(this.#spec)
    if (!(await changed.readTo(filled.writtenUpTo, signal))) return []
    this.#ahead = filled.isLast ? undefined : this.#fill(reading, filled.next)
    // Until somebody waits for it, nobody would hear of its failure.
    this.#ahead?.catch(() => undefined)
    const keys = changed.of(this.#spec.database, this.#spec.table)
    if (keys.size > 0) filled.page.leaveOut(keys)
    return this.#items(reading, filled)
  }

  /** Resolves when no query of this chunk is under way. */
  async rest(): Promise<void> {
    await this.#ahead?.catch(() => undefined)
    await this.#reading?.catch(() => undefined)
  }

  #items(reading: Reading, { page, next, isLast }: FilledPage): Item[] {
    const items: Item[] = []
    const from = this.#position()
    if (page.rows > 0 || !isLast) this.#after = next
    if (page.rows > 0) items.push(this.#batch(reading, page, from))
    else {
      this.#give(page)
      if (!isLast) items.push({ kind: 'idle', split: this.split, next: this.#position() })
    }
    if (!isLast) return items
    this.#isDone = true
    const { place, shape, wanted, joining } = this.#spec
    const end: ChunkPosition = {
      after: this.#after,
      place,
      shape,
      ...(wanted && { wanted }),
      ...(joining && { joining }),
    }
    return [...items, { kind: 'split-end', split: this.split, at: toJson(end) }]
  }

  #batch(reading: Reading, page: Page, from: ReturnType<typeof toJson>): Batch {
    const { bytes, length } = page.lines
    return {
      kind: 'batch',
      split: this.split,
      from,
      next: this.#position(),
      body: { kind: 'bytes', buffer: bytes, length, separator: this.#settings.separator },
      ...(this.#settings.hasTables ? { table: reading.shape } : {}),
      rows: page.rows,
      bytes: length,
      release: () => this.#give(page),
    }
  }

  #position(): ReturnType<typeof toJson> {
    return toJson({ after: this.#after })
  }

  async #open(): Promise<Reading> {
    const { options } = this.#settings
    const { database, table } = this.#spec
    const [found] = await readTables(await this.#settings.connection(), options, { database, table })
    if (found === undefined) {
      throw new MillraceError(`reading the initial rows of ${database}.${table}: the table is not there any more`, {
        code: 'SCHEMA',
      })
    }
    if (shapeDigest(found.shape) !== this.#spec.shape) {
      throw new MillraceError(
        `reading the initial rows of ${database}.${table}: its columns have changed since they were begun. Empty the sink’s ` +
          'table and begin anew under another pipeline name',
        { code: 'SCHEMA', detail: { table: found.shape.id } },
      )
    }
    return {
      shape: found.shape,
      columns: snapshotColumns(found),
      keyOrder: found.keyOrder,
      literals: keyLiterals(found),
      limit: Math.max(1, Math.min(options.fetchSize, Math.floor(PAGE_BYTES / Math.max(1, found.rowBytes)))),
    }
  }

  async #fill(reading: Reading, after: readonly string[] | null): Promise<FilledPage> {
    const connection = await this.#settings.connection()
    const page = this.#take(reading)
    await connection.queryRows(this.#select(reading, after), (row) => page.take(row))
    const isLast = page.rows < reading.limit
    const next = page.rows === 0 ? (after ?? []) : this.#keyOf(reading, page)
    return { page, next, isLast, writtenUpTo: await writtenUpTo(connection) }
  }

  #select({ columns, keyOrder, limit }: Reading, after: readonly string[] | null): string {
    const { database, table, from, to } = this.#spec
    const [first = ''] = keyOrder.map(quoteName)
    const conditions = [
      ...(from === null ? [] : [`${first} >= ${from}`]),
      ...(to === null ? [] : [`${first} < ${to}`]),
      ...(after === null ? [] : [behind(keyOrder, after)]),
    ]
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
    return (
      `SELECT ${columns.map(({ sql }) => sql).join(', ')} FROM ${quoteName(database)}.${quoteName(table)}${where} ` +
      `ORDER BY ${keyOrder.map(quoteName).join(', ')} LIMIT ${limit}`
    )
  }

  /** The last row's key as literals, in the order of the index. */
  #keyOf({ shape, keyOrder, literals }: Reading, page: Page): string[] {
    return keyOrder.map((name, index) => literals[index]?.(page.lastKeyCell(shape.key.indexOf(name))) ?? '')
  }

  #take({ columns, shape }: Reading): Page {
    const { options, separator } = this.#settings
    const parts = [
      ...(options.metadata.includes('op') ? [',"_op":"r"'] : []),
      ...(options.metadata.includes('position') ? [',"_position":""'] : []),
      ...(options.metadata.includes('timestamp') ? [',"_timestamp":null'] : []),
    ]
    return (
      this.#free.pop() ??
      new Page({
        columns,
        keys: shape.key.length,
        separator,
        zeroDates: options.zeroDates,
        extra: Buffer.from(parts.join('')),
        table: `${shape.database}.${shape.name}`,
      })
    )
  }

  #give(page: Page): void {
    page.clear()
    if (this.#free.length < 4) this.#free.push(page)
  }
}
