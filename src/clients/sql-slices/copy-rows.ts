import { assert } from '../../core/assert.ts'
import type { LineTarget } from './line-target.ts'
import {
  cannotCarry,
  ESCAPED_BYTES_MAX,
  isMomentText,
  isNumberText,
  putBase64,
  putBoolean,
  putBytes,
  putNull,
  putText,
  putTextByte,
} from './json-text.ts'
import { KeyCells, valuePrefixes, type RowEncoder, type RowLayout } from './row-encoder.ts'
import type { CellKind, SliceColumn } from './table-shape.ts'

const TAB = 0x09
const NEWLINE = 0x0a
const QUOTE = 0x22
const BACKSLASH = 0x5c
/** What stands for a byte behind a backslash: b f n r t v; everything else stands for itself. */
const UNESCAPED: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 }

/**
 * Rows of `COPY … TO STDOUT` in the text format: cells between tabs, `\N` for NULL, backslashes before what would be
 * mistaken (PostgreSQL, "COPY", File Formats). One pass over the bytes, and nothing is made for a row or a cell.
 */
export class CopyRows implements RowEncoder {
  readonly #columns: readonly SliceColumn[]
  readonly #given: number
  readonly #prefixes: readonly Buffer[]
  readonly #fixedBytes: number
  readonly #separator: number
  readonly #keyParts: readonly number[]
  readonly #key: KeyCells
  #at = 0

  constructor(layout: RowLayout) {
    this.#columns = layout.columns
    this.#given = layout.given
    this.#prefixes = valuePrefixes(layout)
    this.#fixedBytes = this.#prefixes.reduce((sum, { length }) => sum + length + 8, 2)
    this.#separator = layout.separator
    this.#keyParts = KeyCells.partsOf(layout)
    this.#key = new KeyCells(layout.key)
  }

  bytesMax(rowBytes: number): number {
    return this.#fixedBytes + rowBytes * ESCAPED_BYTES_MAX
  }

  encode(target: LineTarget, bytes: Buffer, start: number, end: number): void {
    const out = target.buffer
    let to = target.length
    this.#at = start
    for (let index = 0; index < this.#columns.length; index++) {
      const from = this.#at
      if (index < this.#given) to = this.#value(out, putBytes(out, to, this.#prefixes[index]!), bytes, index)
      else this.#at = cellEnd(bytes, from)
      const part = this.#keyParts[index]!
      if (part >= 0) this.#key.take(part, bytes, from, this.#at)
      const isLast = index === this.#columns.length - 1
      assert(bytes[this.#at] === (isLast ? NEWLINE : TAB), 'a row has as many cells as were selected')
      this.#at++
    }
    assert(this.#at === end, 'a row ends in a line feed')
    out[to] = 0x7d
    target.ends[target.rows] = to + 1
    out[to + 1] = this.#separator
    target.length = to + 2
    target.rows++
  }

  lastKey(): string[] {
    return this.#key.texts((cell) => unescaped(cell))
  }

  #value(out: Buffer, to: number, bytes: Buffer, index: number): number {
    const start = this.#at
    if (bytes[start] === BACKSLASH && bytes[start + 1] === 0x4e) {
      this.#at = start + 2
      return putNull(out, to)
    }
    const { cell, name } = this.#columns[index]!
    if (cell === 'text') return this.#text(out, to, bytes)
    if (cell === 'json') return this.#document(out, to, bytes)
    const end = cellEnd(bytes, start)
    this.#at = end
    return plainValue(out, to, bytes, start, end, cell, name)
  }

  #text(out: Buffer, at: number, bytes: Buffer): number {
    out[at] = QUOTE
    let to = at + 1
    let from = this.#at
    for (;;) {
      const byte = bytes[from]!
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
        out[to++] = byte
        from++
      } else if (byte === TAB || byte === NEWLINE) break
      else if (byte === BACKSLASH) {
        const next = bytes[from + 1]!
        to = putTextByte(out, to, UNESCAPED[next] ?? next)
        from += 2
      } else {
        to = putTextByte(out, to, byte)
        from++
      }
    }
    this.#at = from
    out[to] = QUOTE
    return to + 1
  }

  #document(out: Buffer, at: number, bytes: Buffer): number {
    let to = at
    let from = this.#at
    for (let byte = bytes[from]!; byte !== TAB && byte !== NEWLINE; byte = bytes[from]!) {
      const isEscaped = byte === BACKSLASH
      const next = bytes[from + 1]!
      const plain = isEscaped ? (UNESCAPED[next] ?? next) : byte
      // Only line ends and tabs between values can be escaped control characters.
      out[to++] = plain < 0x20 ? 0x20 : plain
      from += isEscaped ? 2 : 1
    }
    this.#at = from
    return to
  }
}

function plainValue(
  out: Buffer,
  to: number,
  bytes: Buffer,
  start: number,
  end: number,
  cell: CellKind,
  column: string,
): number {
  switch (cell) {
    case 'number':
      if (!isNumberText(bytes, start, end)) throw cannotCarry(column, 'NaN and infinity are no numbers of JSON')
      for (let from = start; from < end; from++) out[to + from - start] = bytes[from]!
      return to + end - start
    case 'boolean':
      return putBoolean(out, to, bytes[start] === 0x74)
    case 'moment':
      if (!isMomentText(bytes, start, end)) throw cannotCarry(column, 'infinity, or a year before 1 or behind 9999')
      return putText(out, to, bytes, start, end)
    case 'bytes': {
      // `\\x` and hexadecimal digits.
      const first = start + 3
      return putBase64(out, to, (end - first) / 2, (index) => {
        const at = first + index * 2
        return (hex(bytes[at]!) << 4) | hex(bytes[at + 1]!)
      })
    }
    default:
      return putText(out, to, bytes, start, end)
  }
}

function cellEnd(bytes: Buffer, start: number): number {
  let end = start
  while (bytes[end] !== TAB && bytes[end] !== NEWLINE) end++
  return end
}

function unescaped(cell: Buffer): string {
  if (!cell.includes(BACKSLASH)) return cell.toString('utf8')
  const plain = Buffer.alloc(cell.length)
  let length = 0
  for (let at = 0; at < cell.length; at++) {
    const byte = cell[at]!
    const next = cell[at + 1] ?? 0
    plain[length++] = byte === BACKSLASH ? (UNESCAPED[next] ?? next) : byte
    if (byte === BACKSLASH) at++
  }
  return plain.toString('utf8', 0, length)
}

function hex(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : digit - 0x57
}
