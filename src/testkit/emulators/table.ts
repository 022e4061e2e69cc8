import { compareTexts } from './condition.ts'
import { columnCodec, type ColumnCodec, type Dialect } from './column-types.ts'
import { NumberText, parseExact, stringifyExact } from './exact-json.ts'
import type { EmulatorColumn, EmulatorTable } from './options.ts'

/** One row for a key: put it there, or take it away. */
export interface KeyedChange {
  readonly key: string
  readonly isDelete: boolean
  /** The row as JSON text; of a partial update only the columns that were sent. */
  readonly row: string
  /** Doris: loses against a larger one. */
  readonly sequence?: string
}

/** What one load adds to one table. Applied when its transaction becomes visible. */
export interface Delta {
  readonly rows: number
  /** `duplicate` tables: JSON rows, each ended by a newline. */
  readonly chunks: readonly Buffer[]
  /** `primary` tables: changes in the order of their rows. */
  readonly changes: readonly KeyedChange[]
  readonly isPartial: boolean
  /** StarRocks `merge_condition`: the row stays unless the new value of this column is at least as large. */
  readonly mergeCondition: string | undefined
}

interface KeyedRow {
  /** undefined: deleted, remembered for its sequence. */
  readonly row: string | undefined
  readonly sequence: string | undefined
}

/** The rows of one table as encoded text: no object per row is kept. */
export class TableStore {
  readonly definition: EmulatorTable
  readonly dialect: Dialect
  /** Columns are added while loading: the table was created by its first load. */
  readonly isOpen: boolean
  columns: readonly ColumnCodec[]
  readonly keys: readonly string[]
  readonly tabletId: number
  #chunks: Buffer[] = []
  #keyed = new Map<string, KeyedRow>()
  #rows = 0
  #versions = 1
  #versionsAt = 0

  constructor(definition: EmulatorTable, options: { dialect: Dialect; tabletId: number; isOpen: boolean }) {
    this.definition = definition
    this.dialect = options.dialect
    this.tabletId = options.tabletId
    this.isOpen = options.isOpen
    this.columns = definition.columns.map((column) => columnCodec(column, options.dialect))
    this.keys = definition.keys ?? definition.columns.slice(0, 1).map((column) => column.name)
  }

  get isKeyed(): boolean {
    return this.definition.model === 'primary'
  }

  get rowCount(): number {
    return this.#rows
  }

  addColumn(name: string): void {
    this.columns = [...this.columns, columnCodec({ name, type: 'STRING' }, this.dialect)]
  }

  /** After ALTER TABLE; rows that were there before have NULL in what is new. */
  setColumns(columns: readonly EmulatorColumn[]): void {
    this.columns = columns.map((column) => columnCodec(column, this.dialect))
  }

  renameColumn(from: string, to: string): void {
    this.#chunks = this.#chunks.map((chunk) => renamedFields(chunk, from, to))
    for (const [key, { row, sequence }] of this.#keyed) {
      if (row !== undefined)
        this.#keyed.set(key, { row: renamedFields(Buffer.from(row), from, to).toString(), sequence })
    }
    this.setColumns(
      this.columns.map(({ name, type, nullable }) => ({ name: name === from ? to : name, type, nullable })),
    )
  }

  truncate(): void {
    this.#chunks = []
    this.#keyed.clear()
    this.#rows = 0
  }

  /** Unmerged versions now; compaction takes away `drainPerSecond` of them. */
  versions(nowMs: number, drainPerSecond: number): number {
    const drained = (Math.max(0, nowMs - this.#versionsAt) / 1000) * drainPerSecond
    return Math.max(1, Math.floor(this.#versions - drained))
  }

  apply(delta: Delta, nowMs: number, drainPerSecond: number): void {
    this.#versions = this.versions(nowMs, drainPerSecond) + 1
    this.#versionsAt = nowMs
    if (!this.isKeyed) {
      for (const chunk of delta.chunks) this.#chunks.push(chunk)
      this.#rows += delta.rows
    } else if (delta.changes.length === 0) {
      this.#rows += delta.rows
    } else {
      for (const change of delta.changes) this.#applyChange(change, delta)
    }
  }

  /** Visible rows as NDJSON. */
  *encodedRows(): Generator<Buffer> {
    yield* this.#chunks
    let lines: string[] = []
    for (const { row } of this.#keyed.values()) {
      if (row !== undefined) lines.push(row, '\n')
      if (lines.length < 2000) continue
      yield Buffer.from(lines.join(''))
      lines = []
    }
    if (lines.length > 0) yield Buffer.from(lines.join(''))
  }

  rows(): Record<string, unknown>[] {
    const integers = this.columns.filter((column) => column.kind === 'integer').map((column) => column.name)
    const decoded: Record<string, unknown>[] = []
    for (const chunk of this.encodedRows()) {
      for (const line of chunk.toString().split('\n')) {
        if (line === '') continue
        const row = decodeRow(line, integers)
        decoded.push(this.isOpen ? row : Object.fromEntries(this.columns.map(({ name }) => [name, row[name] ?? null])))
      }
    }
    return decoded
  }

  #applyChange(change: KeyedChange, delta: Delta): void {
    const old = this.#keyed.get(change.key)
    if (old !== undefined && this.#keepsOld(old, change, delta)) return
    if (change.isDelete) {
      if (change.sequence === undefined) this.#keyed.delete(change.key)
      else this.#keyed.set(change.key, { row: undefined, sequence: change.sequence })
    } else {
      const row = delta.isPartial ? this.#merged(old?.row, change.row) : change.row
      this.#keyed.set(change.key, { row, sequence: change.sequence })
    }
    this.#rows += (change.isDelete ? 0 : 1) - (old?.row === undefined ? 0 : 1)
  }

  #keepsOld(old: KeyedRow, change: KeyedChange, delta: Delta): boolean {
    if (old.sequence !== undefined && change.sequence !== undefined) {
      return compareTexts(old.sequence, change.sequence) > 0
    }
    const column = delta.mergeCondition
    if (column === undefined || old.row === undefined) return false
    const before = fieldText(old.row, column)
    const after = fieldText(change.row, column)
    return before !== undefined && after !== undefined && compareTexts(before, after) > 0
  }

  /** A row with some columns replaced, in the table's column order. */
  #merged(old: string | undefined, patch: string): string {
    const oldFields = old === undefined ? {} : (parseExact(old) as Record<string, unknown>)
    const fields: Record<string, unknown> = { ...oldFields, ...(parseExact(patch) as Record<string, unknown>) }
    return stringifyExact(Object.fromEntries(this.columns.map(({ name }) => [name, fields[name] ?? null])))
  }
}

/** undefined for NULL. */
function fieldText(row: string, column: string): string | undefined {
  const value = (parseExact(row) as Record<string, unknown>)[column]
  if (value === null || value === undefined) return undefined
  return value instanceof NumberText ? value.text : String(value)
}

/** One line of NDJSON as exact values. */
export function decodeRow(line: string, integerColumns: readonly string[]): Record<string, unknown> {
  const row = parseExact(line) as Record<string, unknown>
  for (const name of integerColumns) {
    const value = row[name]
    if (value instanceof NumberText) row[name] = BigInt(value.text)
    else if (typeof value === 'number') row[name] = BigInt(value)
  }
  for (const [name, value] of Object.entries(row)) {
    if (value instanceof NumberText) row[name] = Number(value.text)
  }
  return row
}

function renamedFields(rows: Buffer, from: string, to: string): Buffer {
  const lines = rows.toString().split('\n')
  const renamed = lines.map((line) => {
    if (line === '') return ''
    const fields = Object.entries(parseExact(line) as Record<string, unknown>)
    return stringifyExact(Object.fromEntries(fields.map(([name, value]) => [name === from ? to : name, value])))
  })
  return Buffer.from(renamed.join('\n'))
}
