import { assert } from '../../core/assert.ts'
import { quoteName } from '../../dataplane/sql-text.ts'
import type { Column } from '../../dataplane/types.ts'

/**
 * SQL for the values of a row as plain text, each with its length before it: `5 hello2 42- `. Lengths are bytes, `-` stands
 * for NULL. Times are whole microseconds since 1970 (nanoseconds for columns that have them), dates are days, bytes are
 * hexadecimal digits: what binary encodings are made of, without quotes to look for.
 */
export function cellsSql(columns: readonly Column[]): string {
  if (columns.length === 0) return `''`
  const parts = columns.map((column) => {
    const text = cellSql(column)
    return `coalesce(CAST(strlen(${text}) AS VARCHAR), '-'), ' ', ${text}`
  })
  return `concat(${parts.join(', ')})`
}

function cellSql({ name, type }: Column): string {
  const column = quoteName(name)
  switch (type.kind) {
    case 'blob':
      return `hex(${column})`
    case 'date':
      return `CAST(CAST(epoch(${column}) AS BIGINT) // 86400 AS VARCHAR)`
    case 'timestamp':
      return `CAST(${type.precision > 6 ? 'epoch_ns' : 'epoch_us'}(${column}) AS VARCHAR)`
    case 'timestamptz':
    case 'time':
      return `CAST(epoch_us(${column}) AS VARCHAR)`
    default:
      return `CAST(${column} AS VARCHAR)`
  }
}

const SPACE = 0x20
const MINUS = 0x2d
const ZERO = 0x30
/** So many digits are exact in a number. */
const DIGITS_MAX = 15

/** Walks over the values that `cellsSql` wrote. */
export class Cells {
  buffer: Buffer = Buffer.alloc(0)
  from = 0
  to = 0
  isNull = false

  /** Before the first value. */
  open(buffer: Buffer, from: number): void {
    this.buffer = buffer
    this.to = from
  }

  next(): void {
    const { buffer } = this
    let at = this.to
    this.isNull = buffer[at] === MINUS
    let size = 0
    if (this.isNull) at++
    else
      for (let byte = buffer[at] ?? SPACE; byte !== SPACE; byte = buffer[++at] ?? SPACE) size = size * 10 + byte - ZERO
    assert(buffer[at] === SPACE, 'a value has its length before it')
    this.from = at + 1
    this.to = this.from + size
  }

  get text(): string {
    return this.buffer.toString('utf8', this.from, this.to)
  }

  /** A whole number; exact. */
  get whole(): number | bigint {
    const { buffer, from, to } = this
    if (to - from > DIGITS_MAX) return BigInt(buffer.toString('latin1', from, to))
    const isNegative = buffer[from] === MINUS
    let value = 0
    for (let at = isNegative ? from + 1 : from; at < to; at++) value = value * 10 + (buffer[at] ?? ZERO) - ZERO
    return isNegative ? -value : value
  }

  /** Digits of a decimal, without its point; the point was `scale` digits from the end. */
  get unscaled(): { readonly value: bigint; readonly scale: number } {
    const text = this.buffer.toString('latin1', this.from, this.to)
    const point = text.indexOf('.')
    if (point < 0) return { value: BigInt(text), scale: 0 }
    return { value: BigInt(text.slice(0, point) + text.slice(point + 1)), scale: text.length - point - 1 }
  }

  /** A floating-point number from its shortest text. */
  get real(): number {
    const text = this.buffer.toString('latin1', this.from, this.to)
    const value = Number(text)
    if (!Number.isNaN(value)) return value
    return text === 'inf' ? Infinity : text === '-inf' ? -Infinity : NaN
  }

  get isTrue(): boolean {
    return this.buffer[this.from] === 0x74
  }

  get bytes(): Buffer {
    return Buffer.from(this.buffer.toString('latin1', this.from, this.to), 'hex')
  }
}
