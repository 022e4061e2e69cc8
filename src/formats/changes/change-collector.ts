import { compareTables, type SourceTable, type TableEvent, type TableId } from '../../core/changes.ts'
import { RowBuffer } from './row-buffer.ts'
import type { SourceOrder } from './source-order.ts'

/** Rows go on in pieces of about this size. */
const BATCH_BYTES = 4 * 1024 * 1024

/** Rows of one table in one shape, or a change of it, in the order of the log. */
export type CollectedItem =
  | {
      readonly kind: 'rows'
      readonly table: SourceTable
      readonly partial: readonly string[] | undefined
      readonly rows: RowBuffer
    }
  | { readonly kind: 'change'; readonly table: SourceTable; readonly events: readonly TableEvent[] }

export interface ChangeCollectorOptions {
  readonly separator: number
  /** Tables that are wanted. */
  readonly wants: (table: { readonly database: string; readonly name: string; readonly id: TableId }) => boolean
  /** Changes of shape are told. */
  readonly tellsChanges: boolean
  /** Events of whole tables are told; default: where changes of shape are. */
  readonly tellsEvents?: boolean
}

/**
 * Takes the changes of a piece of a log and parts them by table. Tables have nothing to do with each other, so that their
 * rows may be handed on one table after the other; those of one table stay in their order.
 */
export class ChangeCollector {
  readonly #options: ChangeCollectorOptions
  /** Shapes that each table was seen in. */
  readonly #seen = new Map<TableId, { newest: SourceTable; readonly shapes: Set<string> }>()
  readonly #wanted = new Map<TableId, boolean>()
  readonly #free: RowBuffer[] = []
  #isTraced = false
  /** Where repeated changes are left out: how far the logs of the source were met. */
  order: SourceOrder | undefined
  /** Of the message that is being read. */
  offset = 0n
  #items = new Map<TableId, CollectedItem[]>()
  /** So many of the next rows of each table were handed on before. */
  #skip = new Map<TableId, number>()

  constructor(options: ChangeCollectorOptions) {
    this.#options = options
  }

  get separator(): number {
    return this.#options.separator
  }

  wants(table: { readonly database: string; readonly name: string; readonly id: TableId }): boolean {
    let isWanted = this.#wanted.get(table.id)
    if (isWanted === undefined) {
      isWanted = this.#options.wants(table)
      this.#wanted.set(table.id, isWanted)
    }
    return isWanted
  }

  /** From now on rows know where they end and which message they came from. */
  traceRows(): void {
    this.#isTraced = true
    this.#free.length = 0
  }

  /** Begins a piece of the log. */
  begin(skip: ReadonlyMap<TableId, number>): void {
    this.#skip = new Map(skip)
  }

  /** What of `skip` is still to be skipped behind the piece. */
  get skip(): ReadonlyMap<TableId, number> {
    return this.#skip
  }

  /** Where the next row of this table, in this shape, is written to; `end` ends it. */
  open(table: SourceTable, partial?: readonly string[]): RowBuffer {
    this.#see(table)
    const items = this.#itemsOf(table.id)
    const last = items.at(-1)
    if (
      last?.kind === 'rows' &&
      last.table === table &&
      isSame(last.partial, partial) &&
      last.rows.length < BATCH_BYTES
    )
      return last.rows
    const rows = this.#free.pop() ?? new RowBuffer(this.#options.separator, this.#isTraced)
    items.push({ kind: 'rows', table, partial, rows })
    return rows
  }

  end(table: SourceTable, rows: RowBuffer, isDelete: boolean): void {
    const from = rows.rowFrom
    rows.end(isDelete)
    this.#passOver(table, rows, from)
  }

  /** A row that is written already. */
  whole(table: SourceTable, text: Buffer): void {
    const rows = this.open(table)
    const from = rows.rowFrom
    rows.whole(text)
    this.#passOver(table, rows, from)
  }

  /** Takes the row back that was handed on before. */
  #passOver(table: SourceTable, rows: RowBuffer, from: number): void {
    const left = this.#skip.get(table.id)
    if (left === undefined) return rows.trace(this.offset)
    rows.takeBack(from)
    if (left > 1) this.#skip.set(table.id, left - 1)
    else this.#skip.delete(table.id)
  }

  /** Something happened to a whole table. */
  event(table: SourceTable, event: TableEvent): void {
    const { tellsChanges, tellsEvents = tellsChanges } = this.#options
    if (!tellsEvents) return
    this.#see(table)
    this.#itemsOf(table.id).push({ kind: 'change', table, events: [event] })
  }

  /** What was collected, one table after the other. Row buffers are given back with `release`. */
  take(): CollectedItem[] {
    const items: CollectedItem[] = []
    for (const item of [...this.#items.values()].flat()) {
      if (item.kind === 'rows' && item.rows.rows === 0) this.release(item.rows)
      else items.push(item)
    }
    this.#items = new Map()
    return items
  }

  release(rows: RowBuffer): void {
    // Those of before it was asked for, or with traces, are not used again.
    if (this.#isTraced) return
    rows.reset()
    if (this.#free.length < 16) this.#free.push(rows)
  }

  /** Throws away what was collected, after a message that could not be read. */
  clear(): void {
    for (const item of this.take()) if (item.kind === 'rows') this.release(item.rows)
  }

  /**
   * Rows of several partitions say nothing about the order of shapes: a column that is missing may be new or gone. So a
   * shape is told when it is seen first, and nothing is told to be dropped.
   */
  #see(table: SourceTable): void {
    const seen = this.#seen.get(table.id)
    if (seen?.newest === table || !this.#options.tellsChanges) return
    const shape = JSON.stringify([table.columns.map(({ name, type, length }) => [name, type, length ?? 0]), table.key])
    if (seen === undefined) this.#seen.set(table.id, { newest: table, shapes: new Set([shape]) })
    else {
      const before = seen.newest
      seen.newest = table
      if (seen.shapes.has(shape)) return
      seen.shapes.add(shape)
      const events = compareTables(before, table).filter(({ kind }) => kind !== 'drop-columns')
      if (events.length > 0) this.#itemsOf(table.id).push({ kind: 'change', table, events })
      return
    }
    this.#itemsOf(table.id).push({ kind: 'change', table, events: [{ kind: 'create' }] })
  }

  #itemsOf(id: TableId): CollectedItem[] {
    const found = this.#items.get(id) ?? []
    if (found.length === 0) this.#items.set(id, found)
    return found
  }
}

function isSame(left: readonly string[] | undefined, right: readonly string[] | undefined): boolean {
  if (left === right) return true
  return (
    left !== undefined &&
    right !== undefined &&
    left.length === right.length &&
    left.every((one, at) => one === right[at])
  )
}
