import type { LineTarget } from './line-target.ts'
import type { SliceColumn } from './table-shape.ts'

/** Turns rows, as a server sends them, into JSON lines. */
export interface RowEncoder {
  /** Bytes that the line of a row of so many bytes has at most. */
  bytesMax(rowBytes: number): number
  /** Adds the line of the row in `bytes[start…end)` to a target that has room for it. */
  encode(target: LineTarget, bytes: Buffer, start: number, end: number): void
  /** The key of the row that was encoded last. */
  lastKey(): string[]
}

/** What every encoder has to know. */
export interface RowLayout {
  /** Columns as they are selected; those behind the first `given` are only read for the key. */
  readonly columns: readonly SliceColumn[]
  readonly given: number
  /** Places of the key among the columns. */
  readonly key: readonly number[]
  /** Behind every line. */
  readonly separator: number
}

/** `{"a":`, `,"b":` …: what stands before the value of each given column. */
export function valuePrefixes({ columns, given }: RowLayout): readonly Buffer[] {
  return columns
    .slice(0, given)
    .map(({ name }, index) => Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`))
}

/** The cells of the last row's key, copied because the row's bytes are used again. */
export class KeyCells {
  readonly #places: readonly number[]
  readonly #cells: { bytes: Buffer; length: number }[]

  constructor(key: readonly number[]) {
    this.#places = key
    this.#cells = key.map(() => ({ bytes: Buffer.alloc(64), length: 0 }))
  }

  /** Which part of the key a column is; -1: none. */
  static partsOf({ columns, key }: RowLayout): readonly number[] {
    return columns.map((_, index) => key.indexOf(index))
  }

  take(part: number, bytes: Buffer, start: number, end: number): void {
    const cell = this.#cells[part]!
    const length = end - start
    if (length > cell.bytes.length) cell.bytes = Buffer.alloc(length * 2)
    for (let index = 0; index < length; index++) cell.bytes[index] = bytes[start + index]!
    cell.length = length
  }

  texts(decode: (bytes: Buffer, part: number) => string): string[] {
    return this.#places.map((_, part) => {
      const { bytes, length } = this.#cells[part]!
      return decode(bytes.subarray(0, length), part)
    })
  }
}
