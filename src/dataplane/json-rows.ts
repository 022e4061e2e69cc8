import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import type { ColumnPage } from './column-page.ts'
import { definitionLevels } from './definition-levels.ts'
import { JSON_ROWS_MODULE } from './json-rows-module.ts'
import { ROW_BYTES_MAX } from './json-lines.ts'
import { areAll, FINISHING, IGNORING, isFixed, takingOf, type Taking } from './json-takings.ts'
import { templateOf, type JsonTemplate } from './json-template.ts'
import type { PlainPage } from './parquet-plain.ts'
import type { Column } from './types.ts'
import { webAssembly, type WasmNumber } from './web-assembly.ts'

const STEP_BYTES = 28
const COLUMN_BYTES = 16
/** Room behind everything that is read or written 16 bytes at a time. */
const SLACK = 64
const WASM_PAGE = 65_536
const TEMPLATES_MAX = 8
const TEMPLATE_BYTES = 32 * 1024
/** Most memory is never touched; it only has to have addresses. */
const MEMORY_MAX = 1024 * 1024 * 1024
/** After a piece with too many rows of other forms, so many go the long way at once. */
const REST_PIECES = 16

interface Exports {
  readonly rows: WasmNumber
  take(from: number, end: number, steps: number, absent: number, absentCount: number): number
}

interface PlacedTemplate {
  readonly steps: number
  readonly absent: number
  readonly absentCount: number
}

/** Decodes one good row the long way: the pages of its values, or nothing when the row is at fault. */
export type DecodeRow = (row: Buffer) => readonly ColumnPage[] | undefined

let compiled: object | undefined

/**
 * The short way of the JSON decoder: WebAssembly that takes rows which look like one that was seen before, five times as
 * fast as the long way. Rows of another form go the long way one by one, and teach it their form.
 */
export class JsonRows {
  readonly #takings: readonly Taking[]
  readonly #columns: readonly Column[]
  readonly #byName: ReadonlyMap<string, number>
  readonly #decodeRow: DecodeRow
  readonly #memory = new webAssembly.Memory({ initial: 1 })
  readonly #exports: Exports
  #bytes = Buffer.alloc(0)
  #view = new DataView(new ArrayBuffer(0))
  #templates: PlacedTemplate[] = []
  #learnt = 0
  /** Sizes of pieces that there is room for. */
  #lengthMax = 0
  #rowsMax = 0
  #input = 0
  #pages: readonly number[] = []
  #resting = 0

  private constructor(columns: readonly Column[], takings: readonly Taking[], decodeRow: DecodeRow) {
    this.#columns = columns
    this.#takings = takings
    this.#byName = new Map(columns.map(({ name }, index) => [name, index]))
    this.#decodeRow = decodeRow
    compiled ??= new webAssembly.Module(Buffer.from(JSON_ROWS_MODULE, 'base64'))
    const instance = new webAssembly.Instance(compiled, { env: { memory: this.#memory } })
    this.#exports = instance.exports as Exports
  }

  /** Undefined when a column's type has no short way. */
  static of(columns: readonly Column[], decodeRow: DecodeRow): JsonRows | undefined {
    const takings = columns.map(takingOf)
    if (!takings.every((taking) => taking !== undefined)) return undefined
    try {
      return new JsonRows(columns, takings, decodeRow)
    } catch (error) {
      // Addresses are reserved for gigabytes, which a limit on virtual memory may forbid.
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  /**
   * The pages of the columns; they share memory that the next call uses again. Undefined when the piece has to go the
   * long way as a whole: a row is at fault, or too many rows have forms of their own.
   */
  decode(buffer: Buffer, length: number, rows: number): readonly PlainPage[] | undefined {
    if (this.#resting > 0) {
      this.#resting--
      return undefined
    }
    if (rows === 0 || length > ROW_BYTES_MAX || !isUtf8(buffer.subarray(0, length))) return undefined
    if (!this.#reserve(length, rows)) return undefined
    this.#bytes.set(buffer.subarray(0, length), this.#input)
    // Whatever looks for the end of a value in a broken last row finds it here.
    this.#bytes.fill(0x0a, this.#input + length, this.#input + length + SLACK)
    for (const column of this.#columns.keys()) {
      this.#view.setUint32(this.#columnAt(column), this.#page(column), true)
      this.#view.setUint32(this.#columnAt(column) + 8, 0, true)
    }
    this.#exports.rows.value = 0
    if (!this.#takeAll(length, rows) || this.#rows() !== rows) return undefined
    const pages = this.#columns.map((_, column) => this.#pageOf(column, rows))
    return pages.every((page) => page !== undefined) ? pages : undefined
  }

  #rows(): number {
    return this.#exports.rows.value
  }

  #takeAll(length: number, rows: number): boolean {
    let at = this.#input
    const end = at + length
    let otherRows = 0
    while (at < end) {
      const next = this.#takeSome(at, end)
      if (next !== at) {
        at = next
        continue
      }
      if (++otherRows > 16 + rows / 8) {
        this.#resting = REST_PIECES
        return false
      }
      at = this.#takeOther(at, end)
      if (at === 0) return false
    }
    return true
  }

  #takeSome(from: number, end: number): number {
    let at = from
    for (const { steps, absent, absentCount } of this.#templates) {
      if (at >= end) break
      at = this.#exports.take(at, end, steps, absent, absentCount)
    }
    return at
  }

  /** A row of a form that was not seen before, or that is not plain. Returns where the next one begins, or 0. */
  #takeOther(start: number, end: number): number {
    const next = this.#bytes.indexOf(0x0a, start) + 1
    if (next > end) return 0
    const pages = this.#decodeRow(this.#bytes.subarray(start, next))
    if (pages === undefined) return 0
    const row = this.#rows()
    for (const [column, page] of pages.entries()) this.#add(column, page, row)
    this.#exports.rows.value = row + 1
    const template = templateOf(this.#bytes, start, this.#byName)
    if (template !== undefined) this.#learn(template)
    return next
  }

  /** What is present has a byte at least. */
  #add(column: number, { data, length }: ColumnPage, row: number): void {
    const place = this.#columnAt(column)
    if (length === 0) {
      const nulls = this.#view.getUint32(place + 8, true)
      this.#view.setUint32(this.#view.getUint32(place + 12, true) + nulls * 4, row, true)
      this.#view.setUint32(place + 8, nulls + 1, true)
      return
    }
    const to = this.#view.getUint32(place, true)
    data.copy(this.#bytes, to, 0, length)
    this.#view.setUint32(place, to + length, true)
  }

  #pageOf(column: number, rows: number): PlainPage | undefined {
    const place = this.#columnAt(column)
    const start = this.#page(column)
    const length = this.#view.getUint32(place, true) - start
    const data = this.#bytes.subarray(start, start + length)
    const { checked } = this.#takings[column] ?? {}
    if (checked !== undefined && !areAll(checked, this.#bytes, start, start + length)) return undefined
    const nulls = this.#view.getUint32(place + 8, true)
    const nullRows = new Uint32Array(this.#memory.buffer, this.#view.getUint32(place + 12, true), nulls)
    return { rows, data, length, levels: () => definitionLevels(rows, nullRows) }
  }

  /** Puts the template where the oldest one was. A template that is too long is not learnt. */
  #learn({ steps, end }: JsonTemplate): void {
    const absent = [...this.#columns.keys()].filter((column) => steps.every((step) => step.column !== column))
    const literals = [...steps.map(({ literal }) => literal), end]
    const bytes =
      literals.length * (STEP_BYTES + SLACK) + absent.length * 4 + literals.reduce((sum, { length }) => sum + length, 0)
    if (bytes > TEMPLATE_BYTES) return
    const slot = this.#learnt++ % TEMPLATES_MAX
    const start = this.#templatesAt() + slot * TEMPLATE_BYTES
    const absentAt = start + literals.length * STEP_BYTES
    let text = absentAt + absent.length * 4
    for (const [index, literal] of literals.entries()) {
      const { column } = steps[index] ?? { column: -1 }
      const taking = index === steps.length ? FINISHING : (this.#takings[column] ?? IGNORING)
      const place = column === -1 ? 0 : this.#columnAt(column)
      const fields = [text, literal.length, taking.kind, place, taking.digits, taking.scale, taking.flags]
      for (const [field, value] of fields.entries()) {
        this.#view.setUint32(start + index * STEP_BYTES + field * 4, value, true)
      }
      this.#bytes.set(literal, text)
      text += literal.length + SLACK
    }
    for (const [index, column] of absent.entries()) {
      this.#view.setUint32(absentAt + index * 4, this.#columnAt(column), true)
    }
    this.#templates[slot] = { steps: start, absent: absentAt, absentCount: absent.length }
  }

  #columnAt(column: number): number {
    return SLACK + column * COLUMN_BYTES
  }

  #templatesAt(): number {
    return SLACK + this.#columns.length * COLUMN_BYTES
  }

  #page(column: number): number {
    const page = this.#pages[column]
    assert(page !== undefined, 'every column has a page')
    return page
  }

  /** Makes room for a piece; false when that is more than there is. Only what is written to becomes real memory. */
  #reserve(length: number, rows: number): boolean {
    if (length <= this.#lengthMax && rows <= this.#rowsMax) return true
    const lengthMax = Math.max(this.#lengthMax, 2 ** Math.ceil(Math.log2(length)))
    const rowsMax = Math.max(this.#rowsMax, 2 ** Math.ceil(Math.log2(rows)))
    let at = this.#templatesAt() + TEMPLATES_MAX * TEMPLATE_BYTES
    const place = (bytes: number): number => {
      const start = Math.ceil(at / 16) * 16
      at = start + bytes + SLACK
      return start
    }
    const input = place(lengthMax)
    const pages = this.#takings.map((taking) => place(isFixed(taking) ? rowsMax * 8 : lengthMax + rowsMax * 4))
    const nulls = this.#columns.map(() => place(rowsMax * 4))
    if (at > MEMORY_MAX) return false
    if (!this.#grow(at)) return false
    this.#bytes = Buffer.from(this.#memory.buffer)
    this.#view = new DataView(this.#memory.buffer)
    for (const [column, list] of nulls.entries()) this.#view.setUint32(this.#columnAt(column) + 12, list, true)
    this.#lengthMax = lengthMax
    this.#rowsMax = rowsMax
    this.#input = input
    this.#pages = pages
    return true
  }

  #grow(bytes: number): boolean {
    const missing = Math.ceil(bytes / WASM_PAGE) - this.#memory.buffer.byteLength / WASM_PAGE
    try {
      if (missing > 0) this.#memory.grow(missing)
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }
}
