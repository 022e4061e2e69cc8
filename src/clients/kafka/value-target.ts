import { assert } from '../../core/assert.ts'

export const LINE_FEED = 0x0a
export const COMMA = 0x2c

/**
 * The caller's buffer that values are gathered into, each followed by one separator byte:
 *
 *     {"id":1}⏎{"id":2}⏎{"id":3}⏎          ends = [8, 17, 26], rows = 3, length = 27
 *
 * Buffer and columns are used again after `reset()`.
 */
export class ValueTarget {
  readonly buffer: Buffer
  /** Where each value ends; the separator stands there, and the next value starts one byte later. */
  readonly ends: Uint32Array
  /** Written after every value: `LINE_FEED`, `COMMA`, or any byte that cannot be mistaken for a part of a value. */
  readonly separator: number
  /** Values are JSON, so a line feed inside is blank space and may become a blank. Otherwise it makes a value poison. */
  readonly isJson: boolean
  /** Values gathered. */
  rows = 0
  /** Bytes gathered, separators included. */
  length = 0

  constructor(options: {
    readonly buffer: Buffer
    readonly rowsMax: number
    readonly separator: number
    readonly isJson: boolean
  }) {
    assert(options.buffer.length < 2 ** 32, 'offsets inside a target fit 32 bits')
    this.buffer = options.buffer
    this.ends = new Uint32Array(options.rowsMax)
    this.separator = options.separator
    this.isJson = options.isJson
  }

  reset(): void {
    this.truncate(0)
  }

  /** Forgets all rows from `rows` on. */
  truncate(rows: number): void {
    this.rows = rows
    this.length = rows === 0 ? 0 : (this.ends[rows - 1] ?? 0) + 1
  }
}
