import { isUtf8 } from 'node:buffer'
import { assert } from '../core/assert.ts'
import { JsonKeys, NO_COLUMN } from './json-keys.ts'
import {
  REASONS,
  failure,
  isNull,
  scanBoolean,
  scanString,
  scanStringRest,
  scanValue,
  skipDigits,
  skipSpace,
} from './json-values.ts'
import {
  INT64_DIGITS,
  integerLimits,
  scanDecimal,
  scanFloating,
  scanInteger,
  type IntegerLimits,
} from './number-values.ts'
import { JsonCells } from './json-cells.ts'
import type { RowError } from './row-error.ts'
import { ROW_ERRORS_MAX } from './failing-rows.ts'
import { scanQuoted, scanTimestamp } from './text-values.ts'
import type { Column } from './types.ts'

export type ScanResult = { readonly ok: true } | { readonly ok: false; readonly errors: readonly RowError[] }

/** Is given the cells of some rows after the other, with the bytes in which they lie; both are used again. */
export type TakeCells = (bytes: Buffer, cells: JsonCells) => void

/** One row may be no longer than this. */
export const ROW_BYTES_MAX: number = 16 * 1024 * 1024

const NOT_OBJECT = failure('not a JSON object on a line of its own')
const BROKEN = failure('broken JSON')
const TWICE = failure('the key occurs twice')
const MUST_NOT_BE_NULL = failure('NULL in a column that must not be NULL')
const NOT_STRING = failure('not a string')
const TOO_LONG = failure('longer than 16 MiB')
const INVALID_UTF8 = failure('invalid UTF-8')

/** Kinds of values that have a short way; all others, and whatever is not plain, go through `#scanOther`. */
const TEXT = 1
const NUMBER = 2
const MOMENT = 3
const DOCUMENT = 4

const QUOTE = 0x22
const BACKSLASH = 0x5c
const NEWLINE = 0x0a
/** A value that begins with it is `null`: nothing else does. */
const LOWER_N = 0x6e

/**
 * Finds the values in rows of JSON and lets only those pass that are exactly values of their columns' types. What it
 * refuses is in `REASONS`; DuckDB itself would round `1.5` to 2 and take `true` for 1 without a word.
 *
 * Rules: a missing key is NULL; a key that no column asks for is ignored, but must be good JSON; numbers may be written
 * as strings; strings are needed for text, moments, UUIDs and (in base64) bytes.
 */
export class JsonLinesScanner {
  readonly #columns: readonly Column[]
  readonly #hot: HotColumns
  readonly #keys: JsonKeys
  readonly #limits: readonly (IntegerLimits | undefined)[]
  readonly #required: readonly number[]
  /** The row in which each key was seen last. */
  readonly #seen: Float64Array
  #stamp = 0
  readonly #cells: JsonCells
  #errors: RowError[] = []
  /** The column of the value that was looked at last, for the error. */
  #column: number = NO_COLUMN

  constructor(columns: readonly Column[]) {
    this.#columns = columns
    this.#cells = new JsonCells(columns.length)
    this.#keys = new JsonKeys(columns.map(({ name }) => name))
    this.#hot = hotColumns(columns, this.#keys.max + 1)
    this.#seen = new Float64Array(this.#keys.max + 1)
    this.#limits = columns.map(({ type }) => (type.kind === 'integer' ? integerLimits(type.name) : undefined))
    this.#required = columns.flatMap(({ nullable }, index) => (nullable ? [] : [index]))
  }

  /** Checks the first `length` bytes, which hold `rows` rows. What `take` was given is void when rows are at fault. */
  scan(buffer: Buffer, length: number, rows: number, take: TakeCells): ScanResult {
    if (length > 0 && buffer[length - 1] !== NEWLINE) {
      return this.scan(withNewline(buffer, length), length + 1, rows, take)
    }
    this.#errors = []
    const cells = this.#cells
    cells.clear()
    const valid = isUtf8(buffer.subarray(0, length))
    let at = 0
    let row = 0
    for (; at < length; row++) {
      const end = valid ? this.#scanRow(buffer, at) : this.#scanSuspectRow(buffer, at)
      at = end < 0 ? this.#refuse(buffer, at, row, end) : end
      if (this.#errors.length >= ROW_ERRORS_MAX) break
      if (++cells.rows < cells.rowsMax) continue
      if (this.#errors.length === 0) take(buffer, cells)
      cells.clear()
    }
    if (this.#errors.length > 0) return { ok: false, errors: this.#errors }
    if (cells.rows > 0) take(buffer, cells)
    assert(row === rows, `the piece was announced with ${rows} rows and holds ${row}`)
    return { ok: true }
  }

  /** Returns the place behind the row's newline, or a complemented reason. */
  #scanRow(bytes: Uint8Array, start: number): number {
    const { following, patterns, starts, max } = this.#keys
    const { kinds } = this.#hot
    const { starts: valueStarts, ends: valueEnds, columns } = this.#cells
    const cells = this.#cells.rows * columns
    const seen = this.#seen
    const stamp = ++this.#stamp
    let key = NO_COLUMN
    this.#column = NO_COLUMN
    let at = bytes[start] === 0x7b ? start : skipSpace(bytes, start)
    if (bytes[at] !== 0x7b) return NOT_OBJECT
    at++
    if (bytes[at] !== QUOTE) at = skipSpace(bytes, at)
    if (bytes[at] === 0x7d) at++
    else {
      for (;;) {
        const previous = key
        key = following[previous + 1]!
        const patternEnd = starts[key + 1]!
        let pattern = starts[key]!
        let place = at
        while (pattern < patternEnd && bytes[place] === patterns[pattern]) {
          pattern++
          place++
        }
        if (pattern !== patternEnd || patternEnd === 0) {
          place = this.#keys.lookUp(bytes, at, previous)
          if (place < 0) return place
          key = this.#keys.found
        }
        if (seen[key] === stamp && key !== max) return this.#fail(key, TWICE)
        seen[key] = stamp
        at = bytes[place] === 0x20 ? skipSpace(bytes, place) : place
        if (kinds[key] === TEXT && bytes[at] === QUOTE) {
          // The most frequent loop of all stands here because a call would cost as much as a short string.
          place = at + 1
          let byte = bytes[place]!
          while (byte > QUOTE ? byte !== BACKSLASH : byte === 0x20 || byte === 0x21) byte = bytes[++place]!
          valueStarts[cells + key] = at + 1
          at = byte === QUOTE ? place + 1 : scanStringRest(bytes, place)
          valueEnds[cells + key] = byte === QUOTE ? place : ~(at - 1)
        } else {
          const start = at
          at = this.#scanColumn(bytes, at, key)
          if (key < columns && bytes[start] !== LOWER_N) {
            const quote = bytes[start] === QUOTE && kinds[key] !== DOCUMENT ? 1 : 0
            valueStarts[cells + key] = start + quote
            valueEnds[cells + key] = at - quote
          }
        }
        if (at < 0) return this.#fail(key, at)
        let byte = bytes[at]
        if (byte !== 0x2c && byte !== 0x7d) {
          at = skipSpace(bytes, at)
          byte = bytes[at]
        }
        at++
        if (byte === 0x7d) break
        if (byte !== 0x2c) return this.#fail(key, BROKEN)
        if (bytes[at] !== QUOTE) at = skipSpace(bytes, at)
      }
    }
    if (bytes[at] !== NEWLINE) {
      at = skipSpace(bytes, at)
      if (bytes[at] !== NEWLINE) return NOT_OBJECT
    }
    for (const column of this.#required) {
      if (seen[column] !== stamp) return this.#fail(column, MUST_NOT_BE_NULL)
    }
    return at - start > ROW_BYTES_MAX ? TOO_LONG : at + 1
  }

  #fail(column: number, reason: number): number {
    this.#column = column
    return reason
  }

  #scanColumn(bytes: Uint8Array, at: number, index: number): number {
    const { kinds, digits, scales } = this.#hot
    const kind = kinds[index]
    if (kind === NUMBER && (bytes[at]! - 0x31) >>> 0 <= 8) {
      let end = skipDigits(bytes, at + 1)
      if (end - at <= digits[index]!) {
        if (bytes[end] === 0x2e) {
          const point = end
          end = skipDigits(bytes, end + 1)
          if (end - point - 1 > scales[index]! || end === point + 1) return this.#scanOther(bytes, at, index)
        }
        const next = bytes[end]
        if (next === 0x2c || next === 0x7d) return end
      }
    } else if (kind === MOMENT && bytes[at] === QUOTE) {
      const end = scanTimestamp(bytes, at + 1, scales[index]!)
      if (end > 0 && bytes[end] === QUOTE) return end + 1
    }
    return this.#scanOther(bytes, at, index)
  }

  #scanOther(bytes: Uint8Array, at: number, index: number): number {
    const column = this.#columns[index]
    if (column === undefined) return scanValue(bytes, at)
    if (bytes[at] === 0x6e && isNull(bytes, at)) return column.nullable ? at + 4 : MUST_NOT_BE_NULL
    const { type } = column
    switch (type.kind) {
      case 'varchar':
        return scanString(bytes, at)
      case 'boolean':
        return scanBoolean(bytes, at)
      case 'integer':
      case 'decimal':
      case 'float':
      case 'double':
        return this.#scanNumeric(bytes, at, index)
      case 'json':
        return scanValue(bytes, at)
      default:
        return this.#scanText(bytes, at, type)
    }
  }

  #scanNumeric(bytes: Uint8Array, at: number, index: number): number {
    const isQuoted = bytes[at] === QUOTE
    const start = isQuoted ? at + 1 : at
    const { type } = this.#columns[index]!
    let end: number
    switch (type.kind) {
      case 'integer':
        end = scanInteger(bytes, start, this.#limits[index]!)
        break
      case 'decimal':
        end = scanDecimal(bytes, start, type.precision, type.scale)
        break
      default:
        end = scanFloating(bytes, start, type.kind === 'float')
    }
    if (end < 0 || !isQuoted) return end
    return bytes[end] === QUOTE ? end + 1 : BROKEN
  }

  #scanText(bytes: Uint8Array, at: number, type: Column['type']): number {
    if (bytes[at] !== QUOTE) return NOT_STRING
    const end = scanQuoted(bytes, at + 1, type)
    if (end < 0) return end
    return bytes[end] === QUOTE ? end + 1 : (TEXT_FAILURES[type.kind] ?? BROKEN)
  }

  #scanSuspectRow(buffer: Buffer, start: number): number {
    const end = buffer.indexOf(NEWLINE, start)
    if (!isUtf8(buffer.subarray(start, end))) {
      this.#column = NO_COLUMN
      return INVALID_UTF8
    }
    return this.#scanRow(buffer, start)
  }

  /** Notes the error and returns the start of the next row. */
  #refuse(buffer: Buffer, start: number, row: number, reason: number): number {
    const end = buffer.indexOf(NEWLINE, start)
    this.#errors.push({
      row,
      byteStart: start,
      byteEnd: end,
      column: this.#columns[this.#column]?.name ?? '',
      reason: REASONS[~reason] ?? 'broken JSON',
    })
    return end + 1
  }
}

/**
 * What the short ways need to know of each column; the entries behind them are for keys that nobody asks for.
 * A positive number passes with at most `digits` in front of the point and `scales` behind it; a moment with at most
 * `scales` digits of a second.
 */
interface HotColumns {
  readonly kinds: Uint8Array
  readonly digits: Uint8Array
  readonly scales: Uint8Array
}

function hotColumns(columns: readonly Column[], length: number): HotColumns {
  const hot = { kinds: new Uint8Array(length), digits: new Uint8Array(length), scales: new Uint8Array(length) }
  for (const [index, { type }] of columns.entries()) {
    if (type.kind === 'varchar') hot.kinds[index] = TEXT
    else if (type.kind === 'integer') {
      hot.kinds[index] = NUMBER
      hot.digits[index] = Math.min(integerLimits(type.name).digits - 1, INT64_DIGITS)
    } else if (type.kind === 'decimal') {
      hot.kinds[index] = NUMBER
      hot.digits[index] = Math.max(0, type.precision - type.scale)
      hot.scales[index] = type.scale
    } else if (type.kind === 'json') hot.kinds[index] = DOCUMENT
    else if (type.kind === 'timestamp') {
      hot.kinds[index] = MOMENT
      hot.scales[index] = type.precision
    }
  }
  return hot
}

/** What it is when a good beginning is followed by something else. */
const TEXT_FAILURES: { readonly [kind: string]: number } = {
  timestamp: failure('not a timestamp (YYYY-MM-DD HH:MM:SS)'),
  timestamptz: failure('not a timestamp (YYYY-MM-DD HH:MM:SS)'),
  date: failure('not a date (YYYY-MM-DD, years 0001 to 9999)'),
  time: failure('not a time (HH:MM:SS, with at most 6 digits of a second)'),
  uuid: failure('not a UUID'),
  blob: failure('not base64'),
}

function withNewline(buffer: Buffer, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length + 1)
  buffer.copy(copy, 0, 0, length)
  copy[length] = NEWLINE
  return copy
}
