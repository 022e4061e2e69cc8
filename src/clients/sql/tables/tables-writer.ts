import { assert } from '../../../core/assert.ts'
import type { Batch } from '../../../core/batch.ts'
import { OP_COLUMN } from '../../../core/changes.ts'
import type { CheckpointId } from '../../../core/checkpoint-types.ts'
import type { LaneContext } from '../../../core/context.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import { Router, type RoutedTable } from '../../../core/routes.ts'
import type { Schema } from '../../../core/schema.ts'
import type { CutResult, SinkWriter } from '../../../core/sink.ts'
import { CheckpointPages } from '../checkpoint-pages.ts'
import type { SqlDialect } from '../dialect.ts'
import type { SqlSinkOptions } from '../options.ts'
import type { Page } from '../page.ts'
import { openPageConnections, type PageConnection } from '../page-connection.ts'
import { RowCursor } from '../row-cursor.ts'
import { ticketOf, type SqlTicket } from '../sql-committable.ts'
import type { RowTextLayout, RowTexts } from '../sql-writer.ts'
import { tableKind, type TableKind } from './table-kind.ts'

/** Texts of rows that are JSON lines, for one kind of them. */
export interface JsonTexts extends RowTexts {
  close(): void
}

export interface TablesWriterParts {
  readonly dialect: SqlDialect
  readonly isRowWhole: boolean
  openTexts(layout: RowTextLayout & { readonly schema: Schema }): Promise<JsonTexts>
}

interface OpenedKind extends TableKind {
  readonly texts: JsonTexts
}

/** Where the rows of a table go now. */
interface Filling {
  readonly kind: string
  readonly pages: CheckpointPages
}

/** Bytes that wait in pages which are not full, over all tables of a lane. */
const UNSENT_BYTES = 32 * 1024 * 1024
/** What a batch costs beside its bytes: it may have begun a page for each connection. */
const BATCH_BYTES = 16 * 1024

/** Kinds of rows that are kept open in a lane: each has a statement of its own in the data plane. */
const KINDS_MAX = 64

/** Writes a lane's rows of several tables by key: pages of all of them share a few connections. */
export class TablesWriter implements SinkWriter {
  readonly #options: SqlSinkOptions
  readonly #parts: TablesWriterParts
  readonly #context: LaneContext
  readonly #router: Router
  readonly #connections: readonly PageConnection[]
  readonly #spare: Page[] = []
  /** By what tells them apart; the one that was used last stands last. */
  readonly #kinds = new Map<string, OpenedKind>()
  /** By target: the pages of its newest rows, of this checkpoint or an earlier one. */
  readonly #newest = new Map<string, Filling>()
  /** By target: the pages of this checkpoint. */
  #filling = new Map<string, Filling>()
  /** All pages of this checkpoint. */
  #pages: CheckpointPages[] = []
  readonly #ending = new Set<CheckpointPages>()
  #ticket: SqlTicket | undefined
  #bytes = 0
  /** Since everything was sent the last time. */
  #unsent = 0
  #disarm: (() => void) | undefined

  constructor(options: SqlSinkOptions, parts: TablesWriterParts, context: LaneContext) {
    this.#options = options
    this.#parts = parts
    this.#context = context
    this.#router = new Router(options.routes ?? [], parts.dialect.database)
    this.#connections = openPageConnections(options, parts.dialect, context)
  }

  begin(_checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#ticket = ticketOf(ticket)
  }

  async write(batch: Batch): Promise<void> {
    try {
      const { table, partial, body, rows } = batch
      assert(table !== undefined && body.kind === 'bytes', 'rows of several tables name theirs, and are JSON lines')
      const routed = this.#router.targetOf(table)
      const [id, kind] = namesOf(routed, partial)
      const opened = await this.#open(kind, routed, partial)
      const pages = await this.#pagesOf(id, kind, opened)
      pages.throwIfFailed()
      if (rows === 0) return
      const { buffer, length } = await opened.texts.encode(batch)
      const row = new RowCursor(buffer, length)
      while (row.next()) {
        const wait = pages.add(row)
        if (wait !== undefined) await wait
      }
      this.#bytes += batch.bytes
      await this.#bound(batch.bytes + BATCH_BYTES)
      this.#arm()
    } finally {
      batch.release()
    }
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const [all, bytes] = [this.#pages, this.#bytes]
    this.#pages = []
    this.#filling = new Map()
    this.#bytes = 0
    this.#unsent = 0
    this.#ticket = ticketOf(next.ticket)
    this.#stopTimer()
    if (all.length === 0) return { committables: [], counts: { rows: 0, bytes: 0 } }
    for (const pages of all) this.#ending.add(pages)
    try {
      failpoint('sink.prepare', 'before')
      await Promise.all(all.map((pages) => pages.finish()))
      failpoint('sink.prepare', 'after')
      return { committables: [], counts: { rows: all.reduce((sum, pages) => sum + pages.rows, 0), bytes } }
    } finally {
      for (const pages of all) this.#ending.delete(pages)
    }
  }

  async rollback(): Promise<void> {
    this.#discard()
    this.#pages = []
    this.#filling = new Map()
    this.#newest.clear()
    this.#ticket = undefined
    this.#bytes = 0
    // Tables may have another shape when the checkpoint is read again.
    this.#closeKinds()
    await Promise.all(this.#connections.map((connection) => connection.abort()))
  }

  async close(): Promise<void> {
    this.#discard()
    await Promise.all(this.#connections.map((connection) => connection.close()))
    this.#closeKinds()
  }

  /**
   * The pages for rows of this kind. Rows of another kind of the same table are committed before: the two may not go over
   * the same connection, and a key may be in both.
   */
  async #pagesOf(id: string, kind: string, { target }: OpenedKind): Promise<CheckpointPages> {
    const now = this.#filling.get(id)
    if (now?.kind === kind) return now.pages
    const before = this.#newest.get(id)
    if (before !== undefined && before.kind !== kind) await before.pages.finish()
    assert(this.#ticket !== undefined, 'the runtime begins a checkpoint before it writes')
    const { epoch, checkpoint } = this.#ticket
    const { pageRows, pageBytes } = this.#options
    const pages = new CheckpointPages({
      ...{ epoch, checkpoint, lane: this.#context.lane, target, pageRows, pageBytes },
      ...{ connections: this.#connections, spare: this.#spare, isStaged: false, hasKey: true },
    })
    const filling = { kind, pages }
    this.#filling.set(id, filling)
    this.#newest.set(id, filling)
    this.#pages.push(pages)
    return pages
  }

  async #open(kind: string, routed: RoutedTable, partial: readonly string[] | undefined): Promise<OpenedKind> {
    const known = this.#kinds.get(kind)
    if (known !== undefined) {
      this.#kinds.delete(kind)
      this.#kinds.set(kind, known)
      return known
    }
    const { dialect, isRowWhole, openTexts } = this.#parts
    const session = await dialect.open()
    let found: TableKind
    try {
      const table = await dialect.describe(session, routed.table, routed.database)
      found = tableKind(routed, partial, { dialect, table, isWhole: isRowWhole })
    } finally {
      await session.close()
    }
    const { target, schema } = found
    const texts = await openTexts({ key: target.key, fields: target.fields, op: OP_COLUMN, schema })
    const [oldest] = this.#kinds
    if (oldest !== undefined && this.#kinds.size >= KINDS_MAX) {
      oldest[1].texts.close()
      this.#kinds.delete(oldest[0])
    }
    const opened = { ...found, texts }
    this.#kinds.set(kind, opened)
    return opened
  }

  /** Many tables with few rows each hold no more memory than one with many. */
  async #bound(bytes: number): Promise<void> {
    this.#unsent += bytes
    if (this.#unsent < UNSENT_BYTES) return
    this.#unsent = 0
    await Promise.all(this.#pages.map((pages) => pages.sendAll()))
  }

  /** Rows that wait for others are sent after a while all the same. */
  #arm(): void {
    this.#disarm ??= this.#context.clock.after(this.#options.flushInterval, () => {
      this.#disarm = undefined
      const waiting = this.#pages.filter((pages) => pages.sendIdle())
      if (waiting.length > 0) this.#arm()
    })
  }

  #discard(): void {
    this.#stopTimer()
    for (const pages of [...this.#ending, ...this.#pages]) pages.discard()
  }

  #stopTimer(): void {
    this.#disarm?.()
    this.#disarm = undefined
  }

  #closeKinds(): void {
    for (const { texts } of this.#kinds.values()) texts.close()
    this.#kinds.clear()
  }
}

/** The target, and the target with what tells rows of it apart. */
function namesOf({ database, table, shape }: RoutedTable, partial: readonly string[] | undefined): [string, string] {
  const id = JSON.stringify([database, table])
  const columns = shape.columns.map(({ name, type }) => [name, type])
  return [id, JSON.stringify([id, columns, shape.key, partial ?? null])]
}
