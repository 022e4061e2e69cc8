import { assert } from '../core/assert.ts'
import type { ColumnPage } from './column-page.ts'
import { definitionLevels } from './definition-levels.ts'
import { areAll, isFixed, type Taking } from './json-takings.ts'
import type { TextPage } from './text-columns.ts'
import { webAssembly, type WasmMemory } from '../core/web-assembly.ts'

const COLUMN_BYTES = 16
/** Room behind everything that is read or written 16 bytes at a time. */
export const SLACK = 64
const WASM_PAGE = 65_536
/** Most memory is never touched; it only has to have addresses. */
const MEMORY_MAX = 1024 * 1024 * 1024

/**
 * Columns in the memory of a module of wasm/: what is to be decoded, the pages that it writes, and which rows are NULL.
 * Of each column the module sees four fields, which begin at `columnAt`: the place of the next value, the same before
 * the current row, the number of NULLs and the list of their rows.
 */
export class WasmColumns {
  readonly memory: WasmMemory = new webAssembly.Memory({ initial: 1 })
  bytes: Buffer = Buffer.alloc(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  /** Where the bytes to decode are put. */
  input = 0
  readonly #takings: readonly Taking[]
  readonly #ownBytes: number
  #pages: readonly number[] = []
  /** Sizes of pieces that there is room for. */
  #lengthMax = 0
  #rowsMax = 0

  /** `ownBytes` are what the module keeps for itself, from `ownAt` on. */
  constructor(takings: readonly Taking[], ownBytes: number) {
    this.#takings = takings
    this.#ownBytes = ownBytes
  }

  columnAt(column: number): number {
    return SLACK + column * COLUMN_BYTES
  }

  get ownAt(): number {
    return this.columnAt(this.#takings.length)
  }

  /** Makes room for a piece; false when that is more than there is. Only what is written to becomes real memory. */
  reserve(length: number, rows: number): boolean {
    if (length <= this.#lengthMax && rows <= this.#rowsMax) return true
    const lengthMax = Math.max(this.#lengthMax, 2 ** Math.ceil(Math.log2(length)))
    const rowsMax = Math.max(this.#rowsMax, 2 ** Math.ceil(Math.log2(rows)))
    let at = this.ownAt + this.#ownBytes
    const place = (bytes: number): number => {
      const start = Math.ceil(at / 16) * 16
      at = start + bytes + SLACK
      return start
    }
    const input = place(lengthMax)
    const pages = this.#takings.map((taking) => place(isFixed(taking) ? rowsMax * 8 : lengthMax + rowsMax * 4))
    const nulls = this.#takings.map(() => place(rowsMax * 4))
    if (at > MEMORY_MAX || !this.#grow(at)) return false
    this.bytes = Buffer.from(this.memory.buffer)
    this.view = new DataView(this.memory.buffer)
    for (const [column, list] of nulls.entries()) this.view.setUint32(this.columnAt(column) + 12, list, true)
    this.#lengthMax = lengthMax
    this.#rowsMax = rowsMax
    this.input = input
    this.#pages = pages
    return true
  }

  /** Empties the pages. */
  begin(): void {
    for (const column of this.#takings.keys()) {
      this.view.setUint32(this.columnAt(column), this.#page(column), true)
      this.view.setUint32(this.columnAt(column) + 8, 0, true)
    }
  }

  /** Adds the value of one row that was decoded elsewhere: what is present has a byte at least. */
  add(column: number, { data, length }: ColumnPage, row: number): void {
    const place = this.columnAt(column)
    if (length === 0) {
      const nulls = this.view.getUint32(place + 8, true)
      this.view.setUint32(this.view.getUint32(place + 12, true) + nulls * 4, row, true)
      this.view.setUint32(place + 8, nulls + 1, true)
      return
    }
    const to = this.view.getUint32(place, true)
    data.copy(this.bytes, to, 0, length)
    this.view.setUint32(place, to + length, true)
  }

  /** The page of a column; undefined when a text is no value of the column's type. */
  pageOf(column: number, rows: number): TextPage | undefined {
    const place = this.columnAt(column)
    const start = this.#page(column)
    const length = this.view.getUint32(place, true) - start
    const data = this.bytes.subarray(start, start + length)
    const { checked } = this.#takings[column] ?? {}
    if (checked !== undefined && !areAll(checked, this.bytes, start, start + length)) return undefined
    const nulls = this.view.getUint32(place + 8, true)
    const nullRows = new Uint32Array(this.memory.buffer, this.view.getUint32(place + 12, true), nulls)
    return {
      rows,
      data,
      length,
      levels: () => definitionLevels(rows, nullRows),
      isNull: (row) => nullRows.includes(row),
    }
  }

  #page(column: number): number {
    const page = this.#pages[column]
    assert(page !== undefined, 'every column has a page')
    return page
  }

  #grow(bytes: number): boolean {
    const missing = Math.ceil(bytes / WASM_PAGE) - this.memory.buffer.byteLength / WASM_PAGE
    try {
      if (missing > 0) this.memory.grow(missing)
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }
}
