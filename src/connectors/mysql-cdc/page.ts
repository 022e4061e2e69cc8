import { MillraceError } from '../../core/errors.ts'
import { LineBuffer, putBase64, putBytes, putQuoted, type PacketFields } from '../../clients/mysql-replication/index.ts'
import type { SnapshotColumn } from './snapshot-columns.ts'

const OPENING = Buffer.from('{"__op":0')
const NULL = Buffer.from('null')
const CLOSE = 0x7d

export interface PageOptions {
  readonly columns: readonly SnapshotColumn[]
  /** How many of the columns, the first ones, are the key. */
  readonly keys: number
  readonly separator: number
  readonly zeroDates: 'fail' | 'null'
  /** What stands behind the columns of every row, with a comma in front. */
  readonly extra: Buffer
  readonly table: string
}

/**
 * Rows of one query as lines of JSON, written straight from the server's packets. The beginning of a row, up to the end of
 * its key, is the same text for the same key in the log: by it a row is found again among those that changed.
 */
export class Page {
  readonly lines: LineBuffer
  readonly #options: PageOptions
  readonly #prefixes: readonly Buffer[]
  readonly #room: number
  #starts = new Float64Array(1024)
  #keyEnds = new Float64Array(1024)
  /** The cells of the last row's key, in the order of the columns: copied, since packets do not last. */
  readonly #lastKey: { bytes: Buffer; length: number }[]

  constructor(options: PageOptions) {
    this.#options = options
    this.lines = new LineBuffer(1024 * 1024)
    this.#prefixes = options.columns.map(({ name }) => Buffer.from(`,${JSON.stringify(name)}:`))
    this.#lastKey = Array.from({ length: options.keys }, () => ({ bytes: Buffer.alloc(32), length: 0 }))
    this.#room = this.#prefixes.reduce((sum, prefix) => sum + prefix.length + 8, 64 + options.extra.length)
  }

  get rows(): number {
    return this.lines.rows
  }

  /** Takes one row of the answer, whose columns are those of the options in their order. */
  take(row: PacketFields): void {
    const { columns, keys, extra, separator } = this.#options
    const lines = this.lines
    if (lines.rows === this.#starts.length) this.#growPlaces()
    this.#starts[lines.rows] = lines.length
    lines.reserve(this.#room + row.bytes.length * 6)
    const out = lines.bytes
    let to = putBytes(out, lines.length, OPENING)
    for (let index = 0; index < columns.length; index++) {
      to = putBytes(out, to, this.#prefixes[index] ?? NULL)
      const cell = row.stringOrNull()
      to = cell === undefined ? putBytes(out, to, NULL) : this.#put(out, to, cell, columns[index], index < keys)
      if (index < keys && cell !== undefined) this.#keep(index, cell)
      if (index === keys - 1) this.#keyEnds[lines.rows] = to
    }
    to = putBytes(out, to, extra)
    out[to] = CLOSE
    out[to + 1] = separator
    lines.length = to + 2
    lines.rows++
  }

  /** A cell of the last row's key, by its place among the columns. */
  lastKeyCell(index: number): Buffer {
    const cell = this.#lastKey[index]
    return cell === undefined ? Buffer.alloc(0) : cell.bytes.subarray(0, cell.length)
  }

  /** Takes out the rows whose key is among `keys`. */
  leaveOut(keys: ReadonlySet<string>): void {
    const { bytes, rows, length } = this.lines
    let to = 0
    let kept = 0
    for (let row = 0; row < rows; row++) {
      const start = this.#starts[row] ?? 0
      const end = row + 1 < rows ? (this.#starts[row + 1] ?? 0) : length
      if (keys.has(bytes.toString('latin1', start, this.#keyEnds[row] ?? start))) continue
      if (to !== start) bytes.copyWithin(to, start, end)
      to += end - start
      kept++
    }
    this.lines.length = to
    this.lines.rows = kept
  }

  clear(): void {
    this.lines.clear()
  }

  #keep(index: number, cell: Buffer): void {
    const kept = this.#lastKey[index]
    if (kept === undefined) return
    if (kept.bytes.length < cell.length) kept.bytes = Buffer.alloc(cell.length * 2)
    kept.bytes.set(cell)
    kept.length = cell.length
  }

  #put(out: Buffer, to: number, cell: Buffer, column: SnapshotColumn | undefined, isKey: boolean): number {
    switch (column?.form) {
      case 'number':
        return putBytes(out, to, cell)
      case 'bytes':
        return putBase64(out, to, cell)
      case 'date':
        return isZeroDate(cell) ? this.#putZeroDate(out, to, isKey) : putQuoted(out, to, cell, 0, cell.length)
      default:
        return putQuoted(out, to, cell, 0, cell.length)
    }
  }

  /** In a key NULL would make one of several keys. */
  #putZeroDate(out: Buffer, to: number, isKey: boolean): number {
    if (this.#options.zeroDates === 'null' && !isKey) return putBytes(out, to, NULL)
    throw new MillraceError(
      `reading ${this.#options.table}: a row has a date that is in no calendar, such as 0000-00-00. Set ` +
        '`zeroDates: null` to read them as NULL',
      { code: 'POISON' },
    )
  }

  #growPlaces(): void {
    const [starts, keyEnds] = [this.#starts, this.#keyEnds]
    this.#starts = new Float64Array(starts.length * 2)
    this.#keyEnds = new Float64Array(starts.length * 2)
    this.#starts.set(starts)
    this.#keyEnds.set(keyEnds)
  }
}

/** `0000-…`, `….-00-…` or `…-00`. */
function isZeroDate(cell: Buffer): boolean {
  const isZero = (from: number, to: number): boolean => {
    for (let at = from; at < to; at++) if (cell[at] !== 0x30) return false
    return true
  }
  return isZero(0, 4) || isZero(5, 7) || isZero(8, 10)
}
