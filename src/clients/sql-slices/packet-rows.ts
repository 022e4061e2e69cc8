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
  putDocument,
  putNull,
  putText,
} from './json-text.ts'
import { KeyCells, valuePrefixes, type RowEncoder, type RowLayout } from './row-encoder.ts'
import type { CellKind, SliceColumn } from './table-shape.ts'

/**
 * Rows of MySQL's text protocol: every cell with its length before it (MySQL, "Protocol::LengthEncodedString"). One
 * pass over the bytes, and nothing is made for a row or a cell.
 */
export class PacketRows implements RowEncoder {
  readonly #columns: readonly SliceColumn[]
  readonly #given: number
  readonly #prefixes: readonly Buffer[]
  readonly #fixedBytes: number
  readonly #separator: number
  readonly #keyParts: readonly number[]
  readonly #key: KeyCells
  readonly #isBinary: readonly boolean[]
  /** Where the cell begins whose length was read last. */
  #cell = 0

  constructor(layout: RowLayout) {
    this.#columns = layout.columns
    this.#given = layout.given
    this.#prefixes = valuePrefixes(layout)
    this.#fixedBytes = this.#prefixes.reduce((sum, { length }) => sum + length + 8, 2)
    this.#separator = layout.separator
    this.#keyParts = KeyCells.partsOf(layout)
    this.#key = new KeyCells(layout.key)
    this.#isBinary = layout.key.map((place) => layout.columns[place]?.cell === 'bytes')
  }

  bytesMax(rowBytes: number): number {
    return this.#fixedBytes + rowBytes * ESCAPED_BYTES_MAX
  }

  encode(target: LineTarget, bytes: Buffer, start: number, end: number): void {
    const out = target.buffer
    let to = target.length
    let at = start
    for (let index = 0; index < this.#columns.length; index++) {
      const length = this.#length(bytes, at)
      at = this.#cell + Math.max(length, 0)
      if (index < this.#given) {
        to = putBytes(out, to, this.#prefixes[index]!)
        const { cell, name } = this.#columns[index]!
        to = length < 0 ? putNull(out, to) : value(out, to, bytes, this.#cell, at, cell, name)
      }
      const part = this.#keyParts[index]!
      if (part >= 0) this.#key.take(part, bytes, this.#cell, at)
    }
    assert(at === end, 'a row has as many cells as were selected')
    out[to] = 0x7d
    target.ends[target.rows] = to + 1
    out[to + 1] = this.#separator
    target.length = to + 2
    target.rows++
  }

  /** Binary values as hexadecimal digits. */
  lastKey(): string[] {
    return this.#key.texts((cell, part) => cell.toString(this.#isBinary[part] === true ? 'hex' : 'utf8'))
  }

  /** The length of the cell at a place; -1: NULL. */
  #length(bytes: Buffer, at: number): number {
    const first = bytes[at]!
    this.#cell = at + 1
    if (first < 0xfb) return first
    if (first === 0xfb) return -1
    if (first === 0xfc) {
      this.#cell = at + 3
      return bytes.readUInt16LE(at + 1)
    }
    if (first === 0xfd) {
      this.#cell = at + 4
      return bytes.readUIntLE(at + 1, 3)
    }
    this.#cell = at + 9
    return Number(bytes.readBigUInt64LE(at + 1))
  }
}

function value(
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
      if (!isNumberText(bytes, start, end)) throw cannotCarry(column, 'not a number of JSON')
      for (let from = start; from < end; from++) out[to + from - start] = bytes[from]!
      return to + end - start
    case 'boolean':
      return putBoolean(out, to, bytes[start] !== 0x30)
    case 'moment':
      if (!isMomentText(bytes, start, end)) throw cannotCarry(column, 'a date whose month or day is zero')
      return putText(out, to, bytes, start, end)
    case 'bytes':
      return putBase64(out, to, end - start, (index) => bytes[start + index]!)
    case 'json':
      return putDocument(out, to, bytes, start, end)
    case 'text':
      return putText(out, to, bytes, start, end)
  }
}
