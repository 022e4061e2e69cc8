import { assert } from '../../core/assert.ts'
import type { RowShape } from './row-shape.ts'
import { NULL, UNCHANGED, type Tuple } from './tuple.ts'
import { UNSPEAKABLE, writeValue } from './value-text.ts'

const NULL_WORD = Buffer.from('null')

/** Rows as JSON, each followed by a separator, in memory that is used again. */
export interface LineTarget {
  readonly buffer: Buffer
  readonly ends: Uint32Array
  readonly separator: number
  rows: number
  length: number
}

/** A value that was stored out of line, read again: JSON text for each column that a message left out. */
export type Supplied = ReadonlyMap<number, Buffer>

export interface LineOptions {
  /** What becomes of values that JSON has no words for, such as NaN and dates before our era. */
  readonly unspeakable: 'fail' | 'null'
}

/** What a row was refused for: the number of its column. */
export class UnspeakableValue extends Error {
  readonly column: number

  constructor(column: number) {
    super(`column ${column} has a value that JSON has no words for`)
    this.column = column
  }
}

/** Bytes that a row needs at the most. */
export function roomFor(shape: RowShape, messageBytes: number, suppliedBytes = 0): number {
  return shape.frameBytes + shape.growth * messageBytes + suppliedBytes
}

/** Writes one row and its tail, `,"__op":0}` for example. */
export function writeRow(
  shape: RowShape,
  tuple: Tuple,
  bytes: Buffer,
  target: LineTarget,
  tail: Buffer,
  { unspeakable, supplied }: LineOptions & { readonly supplied?: Supplied | undefined },
): void {
  const { buffer } = target
  let to = target.length
  const { columns } = shape
  for (let index = 0; index < columns.length; index++) {
    const { prefix, form, isPlanned } = columns[index]!
    if (!isPlanned) continue
    for (let at = 0; at < prefix.length; at++) buffer[to++] = prefix[at]!
    const start = tuple.starts[index]!
    if (start === NULL) {
      to += NULL_WORD.copy(buffer, to)
    } else if (start === UNCHANGED) {
      const value = supplied?.get(index)
      assert(value !== undefined, 'a value that a message left out is supplied')
      to += value.copy(buffer, to)
    } else {
      const behind = writeValue(form, bytes, start, tuple.ends[index]!, buffer, to)
      if (behind !== UNSPEAKABLE) to = behind
      else if (unspeakable === 'null') to += NULL_WORD.copy(buffer, to)
      else throw new UnspeakableValue(index)
    }
  }
  for (let at = 0; at < tail.length; at++) buffer[to++] = tail[at]!
  target.ends[target.rows++] = to
  buffer[to++] = target.separator
  target.length = to
}
