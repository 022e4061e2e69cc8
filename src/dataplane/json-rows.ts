import { isUtf8 } from 'node:buffer'
import type { ColumnPage } from './column-page.ts'
import { JSON_ROWS_MODULE } from './json-rows-module.ts'
import { ROW_BYTES_MAX } from './json-lines.ts'
import { FINISHING, IGNORING, takingOf, type Taking } from './json-takings.ts'
import { templateOf, type JsonTemplate } from './json-template.ts'
import type { PlainPage } from './parquet-plain.ts'
import type { Column } from './types.ts'
import { SLACK, WasmColumns } from './wasm-columns.ts'
import { webAssembly, type WasmNumber } from '../core/web-assembly.ts'

const STEP_BYTES = 28
const TEMPLATES_MAX = 8
const TEMPLATE_BYTES = 32 * 1024
/** So many rows of a piece may be at fault before it goes the long way as a whole. */
const FAULTS_MAX = 1000
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

/** A row that is at fault, and where it stands in its piece. */
export interface FaultyRow {
  readonly row: number
  readonly byteStart: number
  readonly byteEnd: number
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
  readonly #memory: WasmColumns
  readonly #exports: Exports
  #templates: PlacedTemplate[] = []
  #learnt = 0
  #faults: FaultyRow[] = []
  #resting = 0

  private constructor(columns: readonly Column[], takings: readonly Taking[], decodeRow: DecodeRow) {
    this.#columns = columns
    this.#takings = takings
    this.#byName = new Map(columns.map(({ name }, index) => [name, index]))
    this.#decodeRow = decodeRow
    this.#memory = new WasmColumns(takings, TEMPLATES_MAX * TEMPLATE_BYTES)
    compiled ??= new webAssembly.Module(Buffer.from(JSON_ROWS_MODULE, 'base64'))
    const instance = new webAssembly.Instance(compiled, { env: { memory: this.#memory.memory } })
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
   * The pages of the columns; they share memory that the next call uses again. Rows that are at fault are not in them.
   * Undefined when the piece has to go the long way as a whole: too many rows are at fault, or have forms of their own.
   */
  decode(
    buffer: Buffer,
    length: number,
    rows: number,
  ): { readonly pages: readonly PlainPage[]; readonly faults: readonly FaultyRow[] } | undefined {
    if (this.#resting > 0) {
      this.#resting--
      return undefined
    }
    if (rows === 0 || length > ROW_BYTES_MAX || !isUtf8(buffer.subarray(0, length))) return undefined
    if (!this.#memory.reserve(length, rows)) return undefined
    const { bytes, input } = this.#memory
    bytes.set(buffer.subarray(0, length), input)
    // Whatever looks for the end of a value in a broken last row finds it here.
    bytes.fill(0x0a, input + length, input + length + SLACK)
    this.#memory.begin()
    this.#exports.rows.value = 0
    this.#faults = []
    if (!this.#takeAll(length, rows) || this.#rows() + this.#faults.length !== rows) return undefined
    const pages = this.#columns.map((_, column) => this.#memory.pageOf(column, this.#rows()))
    // Some values are looked at only here.
    if (!pages.every((page) => page !== undefined)) return undefined
    return { pages, faults: this.#faults }
  }

  #rows(): number {
    return this.#exports.rows.value
  }

  #takeAll(length: number, rows: number): boolean {
    let at = this.#memory.input
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
      const after = this.#takeOther(at, end)
      at = after === 0 ? this.#passFault(at, end) : after
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
    const { bytes } = this.#memory
    const next = bytes.indexOf(0x0a, start) + 1
    if (next > end) return 0
    const pages = this.#decodeRow(bytes.subarray(start, next))
    if (pages === undefined) return 0
    const row = this.#rows()
    for (const [column, page] of pages.entries()) this.#memory.add(column, page, row)
    this.#exports.rows.value = row + 1
    const template = templateOf(bytes, start, this.#byName)
    if (template !== undefined) this.#learn(template)
    return next
  }

  /** Notes a row that is at fault. Returns where the next one begins, or 0. */
  #passFault(start: number, end: number): number {
    const next = this.#memory.bytes.indexOf(0x0a, start) + 1
    if (next > end || this.#faults.length >= FAULTS_MAX) return 0
    const { input } = this.#memory
    const row = this.#rows() + this.#faults.length
    this.#faults.push({ row, byteStart: start - input, byteEnd: next - 1 - input })
    return next
  }

  /** Puts the template where the oldest one was. A template that is too long is not learnt. */
  #learn({ steps, end }: JsonTemplate): void {
    const absent = [...this.#columns.keys()].filter((column) => steps.every((step) => step.column !== column))
    const literals = [...steps.map(({ literal }) => literal), end]
    const bytes =
      literals.length * (STEP_BYTES + SLACK) + absent.length * 4 + literals.reduce((sum, { length }) => sum + length, 0)
    if (bytes > TEMPLATE_BYTES) return
    const slot = this.#learnt++ % TEMPLATES_MAX
    const { bytes: memory, view } = this.#memory
    const start = this.#memory.ownAt + slot * TEMPLATE_BYTES
    const absentAt = start + literals.length * STEP_BYTES
    let text = absentAt + absent.length * 4
    for (const [index, literal] of literals.entries()) {
      const { column } = steps[index] ?? { column: -1 }
      const taking = index === steps.length ? FINISHING : (this.#takings[column] ?? IGNORING)
      const place = column === -1 ? 0 : this.#memory.columnAt(column)
      const fields = [text, literal.length, taking.kind, place, taking.digits, taking.scale, taking.flags]
      for (const [field, value] of fields.entries()) {
        view.setUint32(start + index * STEP_BYTES + field * 4, value, true)
      }
      memory.set(literal, text)
      text += literal.length + SLACK
    }
    for (const [index, column] of absent.entries()) {
      view.setUint32(absentAt + index * 4, this.#memory.columnAt(column), true)
    }
    this.#templates[slot] = { steps: start, absent: absentAt, absentCount: absent.length }
  }
}
