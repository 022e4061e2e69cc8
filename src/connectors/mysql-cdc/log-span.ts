import type { Batch, SplitId } from '../../core/batch.ts'
import type { TableId } from '../../core/changes.ts'
import { LineBuffer } from '../../clients/mysql-replication/index.ts'
import type { LogTable } from './log-tables.ts'
import { toJson, type LogPosition } from './split.ts'

type Counts = Readonly<Record<TableId, number>>

const BUFFER_BYTES = 1024 * 1024 + 64 * 1024
/** Buffers that are kept: more than are ever under way. */
const FREE_MAX = 16

interface Gathered {
  readonly table: LogTable
  readonly lines: LineBuffer
}

export interface SpanOptions {
  readonly split: SplitId
  readonly separator: number
  readonly hasTables: boolean
}

/**
 * Rows that were read since the last time that batches were made, table by table. Each table gives one batch. Their
 * positions lie between two tables of the same transactions, so they count rows: behind a transaction, and so many rows of
 * each table after it.
 *
 * - `#ahead`: rows of each table behind the last commit that were handed on in an earlier span, or before a restart;
 * - `#seen`: rows of each table that were met since the last commit;
 * - `#inSpan`: the same since the span began.
 */
export class LogSpan {
  readonly #options: SpanOptions
  readonly #gathered = new Map<TableId, Gathered>()
  readonly #free: LineBuffer[] = []
  #from: LogPosition
  #ahead: Map<TableId, number>
  #seen = new Map<TableId, number>()
  #inSpan = new Map<TableId, number>()
  #bytes = 0

  constructor(at: LogPosition, options: SpanOptions) {
    this.#options = options
    this.#from = at
    this.#ahead = new Map(Object.entries(at.skip))
  }

  /** Bytes gathered. */
  get bytes(): number {
    return this.#bytes
  }

  /** What was handed on last: everything before it is out. */
  get from(): LogPosition {
    return this.#from
  }

  /** Where to write the next row of a table; undefined: it was handed on before. `counted` has to follow. */
  linesFor(table: LogTable): LineBuffer | undefined {
    const { id } = table.shape
    const seen = (this.#seen.get(id) ?? 0) + 1
    this.#seen.set(id, seen)
    this.#inSpan.set(id, (this.#inSpan.get(id) ?? 0) + 1)
    if (seen <= (this.#ahead.get(id) ?? 0)) return undefined
    let gathered = this.#gathered.get(id)
    if (gathered === undefined) {
      gathered = { table, lines: this.#free.pop() ?? new LineBuffer(BUFFER_BYTES) }
      this.#gathered.set(id, gathered)
    }
    return gathered.lines
  }

  counted(bytes: number): void {
    this.#bytes += bytes
  }

  /** A transaction is through: places count from here. */
  commit(): void {
    if (this.#ahead.size > 0) {
      for (const [id, seen] of this.#seen) {
        const left = (this.#ahead.get(id) ?? 0) - seen
        if (left > 0) this.#ahead.set(id, left)
        else this.#ahead.delete(id)
      }
    }
    this.#seen.clear()
  }

  /** Makes batches of what was gathered. `at`: the last commit, with the shapes and the time there. */
  cut(at: Omit<LogPosition, 'skip'>): Batch[] {
    const last: LogPosition = { ...at, skip: this.#skipped() }
    const tables = [...this.#gathered.values()]
    let from = this.#from
    let skip: Counts = from.skip
    const batches = tables.map(({ table, lines }, index) => {
      const { id } = table.shape
      skip = { ...skip, [id]: Math.max(skip[id] ?? 0, this.#inSpan.get(id) ?? 0) }
      const next = index === tables.length - 1 ? last : { ...this.#from, skip }
      const batch = this.#batch(table, lines, from, next)
      from = next
      return batch
    })
    for (const [id, count] of Object.entries(last.skip)) this.#ahead.set(id, count)
    this.#from = last
    this.#gathered.clear()
    this.#inSpan = new Map(this.#seen)
    this.#bytes = 0
    return batches
  }

  /** The position changes in nothing but what is known of the tables. */
  moveTo(position: LogPosition): void {
    this.#from = position
  }

  /** Gives back what was gathered and not handed on. */
  clear(): void {
    this.#gathered.clear()
  }

  /** Rows behind the last commit that are out once this span is. */
  #skipped(): Counts {
    const skip: Record<TableId, number> = Object.fromEntries(this.#ahead)
    for (const [id, seen] of this.#seen) skip[id] = Math.max(skip[id] ?? 0, seen)
    return skip
  }

  #batch(table: LogTable, lines: LineBuffer, from: LogPosition, next: LogPosition): Batch {
    const { split, separator, hasTables } = this.#options
    const { bytes, length, rows } = lines
    return {
      kind: 'batch',
      split,
      from: toJson(from),
      next: toJson(next),
      body: { kind: 'bytes', buffer: bytes, length, separator },
      ...(hasTables ? { table: table.shape } : {}),
      rows,
      eventMs: next.time * 1000,
      bytes: length,
      release: () => {
        lines.clear()
        // A buffer that grew for one large transaction is not kept.
        if (this.#free.length < FREE_MAX && lines.bytes.length <= BUFFER_BYTES * 8) this.#free.push(lines)
      },
    }
  }
}
