import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import { ColumnPage } from './column-page.ts'
import { JsonCells } from './json-cells.ts'
import { wireOf, type Wire } from './json-columns.ts'
import { REASONS, scanBoolean, type Reason } from './json-values.ts'
import { integerLimits, scanDecimal, scanFloating, scanInteger } from './number-values.ts'
import { BYTE_ARRAY, INT64, UTF8, type PlainColumn, type PlainPage } from './parquet-plain.ts'
import { addTexts, type Source } from './plain-values.ts'
import { quoteName } from './sql-text.ts'
import { addCheckedMoments, addCheckedNumbers, addCheckedTexts, type AddChecked } from './text-adders.ts'
import { scanQuoted } from './text-values.ts'
import type { Column, ColumnType } from './types.ts'

/** A value that is none of its column's type. `row` counts from the last `reset`. */
export interface TextFault {
  readonly row: number
  readonly column: string
  readonly reason: Reason
}

/** A page whose rows may be NULL. */
export interface TextPage extends PlainPage {
  isNull(row: number): boolean
}

/** The first text that is no UTF-8, by the number of its column. DuckDB refuses it too, but does not say where. */
export function findInvalidText(
  columns: readonly PlainColumn[],
  pages: readonly TextPage[],
): { readonly row: number; readonly column: number } | undefined {
  for (const [column, { converted }] of columns.entries()) {
    const page = pages[column]
    if (converted !== UTF8 || page === undefined) continue
    // Lengths below 128 between the texts are ASCII, so that most pages are looked at in one go.
    if (isUtf8(page.data.subarray(0, page.length))) continue
    let at = 0
    for (let row = 0; row < page.rows; row++) {
      if (page.isNull(row)) continue
      const end = at + LENGTH_BYTES + page.data.readInt32LE(at)
      if (!isUtf8(page.data.subarray(at + LENGTH_BYTES, end))) return { row, column }
      at = end
    }
  }
  return undefined
}

/** Why the bytes are no value of the type. */
type Check = (bytes: Buffer, start: number, end: number) => Reason | undefined
/** Returns the place behind the value that begins at `at`, or the complement of an index into `REASONS`. */
type Scan = (bytes: Uint8Array, at: number) => number

const LINE_FEED = 0x0a
const LENGTH_BYTES = 4
/** Bytes behind a value that a scanner may look at. */
const SLACK = 40

/**
 * Columns of plain Parquet from values that lie in bytes as text with known ends, without JSON around them: fields of
 * log groups, for example. The rules for values are those of `JsonLinesScanner`. A `blob` takes the bytes as they are, a
 * `json` column a document.
 *
 * Whoever uses it fills `cells`, hands full ones to `take`, and puts the pages into a file with `plainParquet`.
 */
export class TextColumns {
  readonly cells: JsonCells
  /** As `plainParquet` wants them. */
  readonly plain: readonly PlainColumn[]
  readonly pages: readonly ColumnPage[]
  /** The SELECT list that gives the columns their own names and types. */
  readonly sql: string
  readonly #columns: readonly Column[]
  readonly #wires: readonly Wire[]
  readonly #checks: readonly (Check | undefined)[]
  readonly #adders: readonly (AddChecked | undefined)[]
  #rows = 0

  constructor(columns: readonly Column[]) {
    this.#columns = columns
    this.#wires = columns.map(({ type }) => (type.kind === 'blob' ? RAW_BYTES : wireOf(type)))
    this.#checks = columns.map(({ type }) => checkOf(type))
    this.#adders = columns.map((column, at) => adderOf(column, this.#wires[at]?.column.physical))
    this.cells = new JsonCells(columns.length)
    this.plain = this.#wires.map(({ column }, at) => ({ name: `c${at}`, ...column }))
    this.pages = columns.map(() => new ColumnPage())
    this.sql = columns.map(({ name }, at) => `${this.#wires[at]?.value(`c${at}`)} AS ${quoteName(name)}`).join(', ')
    this.cells.clear()
  }

  reset(): void {
    this.#rows = 0
    this.cells.clear()
    for (const page of this.pages) page.reset()
  }

  /** Takes the cells over and empties them. `bytes` has line feeds behind the last value: a scan ends there. */
  take(bytes: Buffer, view: DataView): TextFault | undefined {
    const { cells } = this
    const source = { bytes, view }
    for (const [column, { add }] of this.#wires.entries()) {
      const page = this.pages[column]
      assert(page !== undefined, 'every column has a page')
      const quick = this.#adders[column]
      const fault = quick === undefined ? this.#check(bytes, column) : this.#addQuickly(source, column, quick)
      if (fault !== undefined) return fault
      if (quick === undefined) add(page, source, cells, column)
    }
    this.#rows += cells.rows
    cells.clear()
    return undefined
  }

  #addQuickly(source: Source, column: number, add: AddChecked): TextFault | undefined {
    const page = this.pages[column]
    assert(page !== undefined, 'every column has a page')
    const check = this.#checks[column]
    let reason: Reason | undefined
    const row = add(page, source, this.cells, column, (start, end) => {
      reason = check?.(source.bytes, start, end)
      return reason === undefined
    })
    return row < 0 || reason === undefined ? undefined : this.#fault(row, column, reason)
  }

  #check(bytes: Buffer, column: number): TextFault | undefined {
    const { starts, ends, columns, rows } = this.cells
    const check = this.#checks[column]
    const { nullable = true } = this.#columns[column] ?? {}
    if (check === undefined && nullable) return undefined
    for (let row = 0, cell = column; row < rows; row++, cell += columns) {
      const start = starts[cell] ?? -1
      if (start < 0) {
        if (nullable) continue
        return this.#fault(row, column, 'NULL in a column that must not be NULL')
      }
      const reason = check?.(bytes, start, ends[cell] ?? -1)
      if (reason !== undefined) return this.#fault(row, column, reason)
    }
    return undefined
  }

  #fault(row: number, column: number, reason: Reason): TextFault {
    return { row: this.#rows + row, column: this.#columns[column]?.name ?? '', reason }
  }
}

const RAW_BYTES: Wire = { column: { physical: BYTE_ARRAY }, add: addTexts, value: (column) => column }

/** The short way of a column, where it has one: those that must not be NULL go the long way. */
function adderOf({ type, nullable }: Column, physical: number | undefined): AddChecked | undefined {
  if (!nullable) return undefined
  if (type.kind === 'varchar' || type.kind === 'blob') return addCheckedTexts
  if (physical !== INT64) return undefined
  switch (type.kind) {
    case 'integer':
      return addCheckedNumbers(integerLimits(type.name).digits - 1, 0, !type.name.startsWith('u'))
    case 'decimal':
      return addCheckedNumbers(type.precision - type.scale, type.scale, true)
    case 'timestamp':
      return addCheckedMoments(Math.min(6, type.precision))
    default:
      return undefined
  }
}

function checkOf(type: ColumnType): Check | undefined {
  switch (type.kind) {
    case 'varchar':
    case 'blob':
      return undefined
    case 'json':
      return checkDocument
    case 'boolean':
      return checkWith(scanBoolean)
    case 'integer': {
      const limits = integerLimits(type.name)
      return checkWith((bytes, at) => scanInteger(bytes, at, limits))
    }
    case 'decimal':
      return checkWith((bytes, at) => scanDecimal(bytes, at, type.precision, type.scale))
    case 'float':
    case 'double':
      return checkWith((bytes, at) => scanFloating(bytes, at, type.kind === 'float'))
    default:
      return checkWith((bytes, at) => scanQuoted(bytes, at, type))
  }
}

function checkWith(scan: Scan): Check {
  return (bytes, start, end) => {
    // What follows the value may look like a part of it; then a copy that stands alone decides.
    if (scan(bytes, start) === end) return undefined
    const alone = Buffer.alloc(end - start + SLACK, LINE_FEED)
    bytes.copy(alone, 0, start, end)
    const found = scan(alone, 0)
    if (found === end - start) return undefined
    return found < 0 ? (REASONS[~found] ?? 'broken JSON') : 'not a value of the column’s type'
  }
}

const checkDocument: Check = (bytes, start, end) => {
  try {
    JSON.parse(bytes.toString('utf8', start, end))
    return undefined
  } catch {
    return 'broken JSON'
  }
}
