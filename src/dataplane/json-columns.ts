import { assert } from '../core/assert.ts'
import { ColumnPage } from './column-page.ts'
import type { JsonCells } from './json-cells.ts'
import { JsonLinesScanner } from './json-lines.ts'
import { JsonRows, type FaultyRow } from './json-rows.ts'
import { BYTE_ARRAY, DECIMAL, INT64, TIMESTAMP_MICROS, UTF8, plainParquet, type PlainColumn } from './parquet-plain.ts'
import { addDocuments, addMoments, addScaled, addTexts, type AddValues, type Source } from './plain-values.ts'
import type { RowError } from './row-error.ts'
import { quoteName } from './sql-text.ts'
import { duckType, type Column, type ColumnType, type IntegerName } from './types.ts'

/** How a column travels to DuckDB. */
export interface Wire {
  readonly column: Omit<PlainColumn, 'name'>
  readonly add: AddValues
  /** SQL that gives the column its own type. */
  readonly value: (column: string) => string
}

/**
 * Decodes rows of JSON into a file of plain Parquet columns. DuckDB takes those in a tenth of the time that it needs
 * for the rows themselves, and what a value is was decided here: types of up to 64 bits travel as numbers, all others
 * as their text, which DuckDB casts from its digits.
 */
export class JsonColumns {
  readonly #scanner: JsonLinesScanner
  readonly #wires: readonly Wire[]
  readonly #columns: readonly PlainColumn[]
  readonly #pages: readonly ColumnPage[]
  readonly #rows: JsonRows | undefined

  constructor(columns: readonly Column[]) {
    this.#scanner = new JsonLinesScanner(columns)
    this.#wires = columns.map(({ type }) => wireOf(type))
    this.#columns = plainColumns(columns)
    this.#pages = columns.map(() => new ColumnPage())
    this.#rows = JsonRows.of(columns, (row) =>
      this.#decode(row, row.length, 1) === undefined ? this.#pages : undefined,
    )
  }

  /**
   * The parts of the file; they share memory that the next call uses again. `leftOut` are rows that are at fault, where
   * `leavesOut` says that all others may go on without them.
   */
  decode(
    buffer: Buffer,
    length: number,
    rows: number,
    leavesOut = false,
  ):
    | { readonly ok: true; readonly parts: readonly Uint8Array[]; readonly leftOut: readonly RowError[] }
    | { readonly ok: false; readonly errors: readonly RowError[] } {
    const short = this.#rows?.decode(buffer, length, rows)
    if (short !== undefined) {
      const leftOut = this.#errorsOf(buffer, short.faults)
      if (leftOut.length > 0 && (!leavesOut || leftOut.length === rows)) return { ok: false, errors: leftOut }
      return { ok: true, parts: plainParquet(this.#columns, short.pages), leftOut }
    }
    const errors = this.#decode(buffer, length, rows)
    if (errors !== undefined) return { ok: false, errors }
    return { ok: true, parts: plainParquet(this.#columns, this.#pages), leftOut: [] }
  }

  /** What is wrong with rows that the short way found. */
  #errorsOf(buffer: Buffer, faults: readonly FaultyRow[]): RowError[] {
    return faults.map((fault) => {
      const [error] = this.#decode(buffer.subarray(fault.byteStart, fault.byteEnd + 1), rowLength(fault), 1) ?? []
      assert(error !== undefined, 'both ways agree on rows that are at fault')
      return { ...error, ...fault }
    })
  }

  /** Fills the pages, unless a row is at fault. */
  #decode(buffer: Buffer, length: number, rows: number): readonly RowError[] | undefined {
    for (const page of this.#pages) page.reset()
    const result = this.#scanner.scan(buffer, length, rows, (bytes, cells) => this.#add(bytes, cells))
    return result.ok ? undefined : result.errors
  }

  #add(bytes: Buffer, cells: JsonCells): void {
    const source: Source = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
    for (const [index, { add }] of this.#wires.entries()) {
      const page = this.#pages[index]
      assert(page !== undefined, 'every column has a page')
      add(page, source, cells, index)
    }
  }
}

/** With its line feed. */
function rowLength({ byteStart, byteEnd }: FaultyRow): number {
  return byteEnd + 1 - byteStart
}

/** A file without rows, over which a query is planned. */
export function emptyJsonColumns(columns: readonly Column[]): Uint8Array[] {
  return plainParquet(plainColumns(columns), [])
}

/** The SELECT list that reads what `JsonColumns` wrote. */
export function jsonColumnsSql(columns: readonly Column[]): string {
  return columns.map(({ name, type }, at) => `${wireOf(type).value(wireName(at))} AS ${quoteName(name)}`).join(', ')
}

function plainColumns(columns: readonly Column[]): PlainColumn[] {
  return columns.map(({ type }, at) => ({ name: wireName(at), ...wireOf(type).column }))
}

/** In the file, columns have names of ours: DuckDB renames a second one that differs from another only in case. */
function wireName(at: number): string {
  return `c${at}`
}

/** Integers whose every value fits 64 bits with a sign. */
const SMALL_INTEGERS: ReadonlySet<IntegerName> = new Set([
  'tinyint',
  'smallint',
  'integer',
  'bigint',
  'utinyint',
  'usmallint',
  'uinteger',
])
const INT64_PRECISION = 18

export function wireOf(type: ColumnType): Wire {
  const cast = (column: string): string => `CAST(${column} AS ${duckType(type)})`
  const text = { column: { physical: BYTE_ARRAY, converted: UTF8 }, add: addTexts, value: cast } as const
  switch (type.kind) {
    case 'varchar':
      return { ...text, value: (column) => column }
    case 'json':
      return { ...text, add: addDocuments }
    case 'blob':
      return { ...text, value: (column) => `from_base64(${column})` }
    case 'integer':
      return SMALL_INTEGERS.has(type.name) ? { column: { physical: INT64 }, add: addScaled(0), value: cast } : text
    case 'decimal': {
      const { precision, scale } = type
      if (precision > INT64_PRECISION) return text
      return { column: { physical: INT64, converted: DECIMAL, precision, scale }, add: addScaled(scale), value: cast }
    }
    case 'timestamp':
      if (type.precision > 6) return text
      return { column: { physical: INT64, converted: TIMESTAMP_MICROS }, add: addMoments, value: cast }
    default:
      return text
  }
}
