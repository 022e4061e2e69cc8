import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import { ROW_ERRORS_MAX } from './failing-rows.ts'
import { REASONS, failure, scanBoolean } from './json-values.ts'
import { integerLimits, scanDecimal, scanFloating, scanInteger, type IntegerLimits } from './number-values.ts'
import { CSV_ROW_BYTES_MAX, type CsvDialect } from './relation.ts'
import type { BytesPiece } from './bytes-piece.ts'
import type { RowError } from './row-error.ts'
import { scanQuoted } from './text-values.ts'
import type { Column } from './types.ts'

const FIELDS = failure('not as many fields as the schema has columns')
const QUOTING = failure('a quote that is not closed, or text behind a closed one')
const MUST_NOT_BE_NULL = failure('NULL in a column that must not be NULL')
const WRONG_VALUE = failure('not a value of the column’s type')
const INVALID_UTF8 = failure('invalid UTF-8')
const TOO_LONG = failure('longer than 2 MiB')

const NEWLINE = 0x0a
const RETURN = 0x0d

/**
 * Reads rows of CSV once, before DuckDB does, with the same rules for values as `JsonLinesScanner`: `1.5` is no integer
 * and `1` is no boolean. Text and JSON fields may hold anything; DuckDB checks the documents itself.
 */
export class CsvLinesScanner {
  readonly #columns: readonly Column[]
  readonly #limits: readonly (IntegerLimits | undefined)[]
  readonly #separator: number
  readonly #quote: number
  readonly #hasReturns: boolean
  readonly #nullText: Buffer
  #column = -1

  constructor(columns: readonly Column[], dialect: CsvDialect) {
    assert(Buffer.byteLength(dialect.separator) === 1, 'CSV that is read has a separator of one byte')
    this.#columns = columns
    this.#limits = columns.map(({ type }) => (type.kind === 'integer' ? integerLimits(type.name) : undefined))
    this.#separator = Buffer.from(dialect.separator)[0] ?? 0
    this.#quote = dialect.quote === '' ? -1 : (Buffer.from(dialect.quote)[0] ?? -1)
    this.#hasReturns = dialect.lineEnd === '\r\n'
    this.#nullText = Buffer.from(dialect.nullText)
  }

  /** Checks `rows` rows without a header; every row, the last one too, must end in a line end. */
  scan(buffer: Buffer, length: number, rows: number): ({ ok: true } & BytesPiece) | { ok: false; errors: RowError[] } {
    assert(length === 0 || buffer[length - 1] === NEWLINE, 'a piece of CSV ends in a line end')
    const errors: RowError[] = []
    const isValid = isUtf8(buffer.subarray(0, length))
    let row = 0
    for (let at = 0; at < length && errors.length < ROW_ERRORS_MAX; row++) {
      this.#column = -1
      let end = this.#scanRow(buffer, at)
      if (end >= 0 && !isValid && !isUtf8(buffer.subarray(at, end))) {
        this.#column = -1
        end = INVALID_UTF8
      }
      const next = end < 0 ? buffer.indexOf(NEWLINE, at) + 1 : end
      if (end < 0) {
        const column = this.#columns[this.#column]?.name ?? ''
        errors.push({ row, byteStart: at, byteEnd: next - 1, column, reason: REASONS[~end] ?? 'broken CSV' })
      }
      at = next
    }
    if (errors.length > 0) return { ok: false, errors }
    assert(row === rows, `the piece was announced with ${rows} rows and holds ${row}`)
    return { ok: true, buffer, length, rows }
  }

  #scanRow(bytes: Buffer, start: number): number {
    let at = start
    for (let index = 0; index < this.#columns.length; index++) {
      this.#column = index
      const end =
        bytes[at] === this.#quote ? this.#scanQuotedField(bytes, at, index) : this.#scanField(bytes, at, index)
      if (end < 0) return end
      const isLast = index === this.#columns.length - 1
      if (isLast) break
      if (bytes[end] !== this.#separator) return this.#fieldsFailure(bytes, end)
      at = end + 1
    }
    at = this.#fieldEnd
    if (this.#hasReturns && bytes[at] === RETURN) at++
    if (bytes[at] !== NEWLINE) return this.#fieldsFailure(bytes, at)
    return at - start > CSV_ROW_BYTES_MAX ? TOO_LONG : at + 1
  }

  #fieldEnd = 0

  #fieldsFailure(bytes: Buffer, at: number): number {
    this.#column = -1
    return bytes[at] === NEWLINE || bytes[at] === RETURN || bytes[at] === this.#separator ? FIELDS : QUOTING
  }

  #scanField(bytes: Buffer, start: number, index: number): number {
    let end = start
    for (let byte = bytes[end]; byte !== this.#separator && byte !== NEWLINE; byte = bytes[++end]) {
      if (byte === this.#quote) return QUOTING
      if (byte === RETURN && (this.#hasReturns ? bytes[end + 1] === NEWLINE : true)) break
    }
    this.#fieldEnd = end
    if (this.#isNull(bytes, start, end)) return this.#columns[index]?.nullable === false ? MUST_NOT_BE_NULL : end
    return this.#scanValue(bytes, start, end, index)
  }

  #scanQuotedField(bytes: Buffer, start: number, index: number): number {
    let end = start + 1
    for (;;) {
      const byte = bytes[end]
      // A line end inside of quotes would make a row that spans lines; pieces are cut at lines.
      if (byte === NEWLINE || byte === undefined) return QUOTING
      if (byte === this.#quote) {
        if (bytes[end + 1] !== this.#quote) break
        end++
      }
      end++
    }
    this.#fieldEnd = end + 1
    const found = this.#scanValue(bytes, start + 1, end, index)
    return found < 0 ? found : end + 1
  }

  #isNull(bytes: Buffer, start: number, end: number): boolean {
    const text = this.#nullText
    if (end - start !== text.length) return false
    for (let index = 0; index < text.length; index++) if (bytes[start + index] !== text[index]) return false
    return true
  }

  #scanValue(bytes: Buffer, start: number, end: number, index: number): number {
    const { type } = this.#columns[index]!
    if (type.kind === 'varchar' || type.kind === 'json') return end
    const found = this.#scanTyped(bytes, start, index)
    if (found < 0) return found
    return found === end ? end : WRONG_VALUE
  }

  #scanTyped(bytes: Buffer, start: number, index: number): number {
    const { type } = this.#columns[index]!
    switch (type.kind) {
      case 'integer':
        return scanInteger(bytes, start, this.#limits[index]!)
      case 'decimal':
        return scanDecimal(bytes, start, type.precision, type.scale)
      case 'float':
      case 'double':
        return scanFloating(bytes, start, type.kind === 'float')
      case 'boolean':
        return scanBoolean(bytes, start)
      default:
        return scanQuoted(bytes, start, type)
    }
  }
}
