import { MillraceError } from '../../core/errors.ts'
import { jsonDocumentText } from './binary-json.ts'
import { putDecimal } from './decimal.ts'
import { putAscii, putBase64, putBytes, putInteger, putInteger64, putQuoted, putText, putWhole } from './json-text.ts'
import type { LineBuffer } from './line-buffer.ts'
import { wholeImages } from './partial-json.ts'
import { FORM, type ColumnLayout } from './row-layout.ts'
import { isZeroDatetime2, putDate, putDatetime2, putMoment, putTime2, putTimestamp2 } from './temporal.ts'

/** Room for any value of a fixed size: the longest is a decimal of 65 digits. */
const VALUE_ROOM = 96
const NULL = Buffer.from('null')
const UPSERT = Buffer.from('{"__op":0')
const DELETE = Buffer.from('{"__op":1')
const QUOTE = 0x22
const CLOSE = 0x7d

export interface RowLinesOptions {
  /** What stands behind each row. */
  readonly separator: number
  /** Dates that no calendar has (`0000-00-00`, `2024-00-10`): NULL, or an error. */
  readonly zeroDates: 'null' | 'fail'
  /** For messages. */
  readonly table: string
}

/** Where the key's values stand in a row's image: start and end of each, in the event. */
class KeyPlaces {
  readonly starts: Int32Array
  readonly ends: Int32Array

  constructor(columns: number) {
    this.starts = new Int32Array(columns)
    this.ends = new Int32Array(columns)
  }
}

/**
 * Writes the rows of one table, in one shape, as lines of JSON, straight from the bytes of a row event: no object and no
 * string is made for a row. `image` is the bytes of one row; each method returns the place behind it.
 */
export class RowLines {
  readonly #columns: readonly ColumnLayout[]
  readonly #options: RowLinesOptions
  readonly #room: number
  readonly #nullBytes: number
  readonly #before: KeyPlaces
  readonly #after: KeyPlaces
  readonly #keys: readonly number[]

  constructor(columns: readonly ColumnLayout[], options: RowLinesOptions) {
    this.#columns = columns
    this.#options = options
    this.#room = columns.reduce((sum, column) => sum + fixedRoom(column), 64)
    this.#nullBytes = (columns.length + 7) >> 3
    this.#before = new KeyPlaces(columns.length)
    this.#after = new KeyPlaces(columns.length)
    this.#keys = columns.flatMap(({ isKey }, index) => (isKey ? [index] : []))
  }

  /** `extra` comes behind the columns: `,"name":value` of what is known about the change. */
  upsert(image: Buffer, from: number, lines: LineBuffer, extra: Buffer): number {
    return this.#write(image, from, lines, UPSERT, extra)
  }

  delete(image: Buffer, from: number, lines: LineBuffer, extra: Buffer): number {
    return this.#write(image, from, lines, DELETE, extra)
  }

  /** The images of updates of which the log has parts of documents only, as if it had all of them. */
  wholeImages(image: Buffer, from: number): Buffer {
    return wholeImages(this.#columns, image, from)
  }

  /** Passes over a row and returns the place behind it. */
  skip(image: Buffer, from: number): number {
    return this.#measure(image, from, this.#before)
  }

  /** Whether two images, at these places, differ in a byte of a column of the key. */
  isKeyChanged(image: Buffer, before: number, after: number): boolean {
    if (this.#keys.length === 0) return false
    this.#measure(image, before, this.#before)
    this.#measure(image, after, this.#after)
    for (const key of this.#keys) {
      const from = this.#before.starts[key]!
      const length = this.#before.ends[key]! - from
      const other = this.#after.starts[key]!
      if (this.#after.ends[key]! - other !== length) return true
      for (let at = 0; at < length; at++) if (image[from + at] !== image[other + at]) return true
    }
    return false
  }

  /** Calls `take` with the bytes of each column of the key, as the event has them. */
  keyBytes(image: Buffer, from: number, take: (start: number, end: number) => void): number {
    const end = this.#measure(image, from, this.#before)
    for (const key of this.#keys) take(this.#before.starts[key]!, this.#before.ends[key]!)
    return end
  }

  #measure(image: Buffer, from: number, places: KeyPlaces): number {
    let at = from + this.#nullBytes
    const columns = this.#columns
    for (let index = 0; index < columns.length; index++) {
      places.starts[index] = at
      const column = columns[index]!
      if ((image[from + (index >> 3)]! & (1 << (index & 7))) === 0) {
        at += column.isLengthPrefixed ? column.size + lengthAt(image, at, column.size) : column.size
      }
      places.ends[index] = at
    }
    return at
  }

  #write(image: Buffer, from: number, lines: LineBuffer, opening: Buffer, extra: Buffer): number {
    lines.reserve(this.#room + extra.length)
    const columns = this.#columns
    let out = lines.bytes
    let to = putBytes(out, lines.length, opening)
    let at = from + this.#nullBytes
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!
      const isNull = (image[from + (index >> 3)]! & (1 << (index & 7))) !== 0
      if (column.prefix === undefined) {
        if (!isNull) at += column.isLengthPrefixed ? column.size + lengthAt(image, at, column.size) : column.size
        continue
      }
      to = putBytes(out, to, column.prefix)
      if (isNull) {
        to = putBytes(out, to, NULL)
        continue
      }
      if (!column.isLengthPrefixed) {
        to = this.#putFixed(out, to, image, at, column)
        at += column.size
        continue
      }
      const start = at + column.size
      at = start + lengthAt(image, at, column.size)
      lines.length = to
      lines.reserve(this.#room + extra.length + roomFor(column, at - start))
      out = lines.bytes
      to =
        column.form === FORM.utf8
          ? putQuoted(out, to, image, start, at)
          : this.#putVariable(out, to, image.subarray(start, at), column)
    }
    to = putBytes(out, to, extra)
    out[to] = CLOSE
    out[to + 1] = this.#options.separator
    lines.length = to + 2
    lines.rows++
    return at
  }

  #putFixed(out: Buffer, to: number, image: Buffer, at: number, column: ColumnLayout): number {
    switch (column.form) {
      case FORM.int8:
        return putInteger(out, to, (image[at]! << 24) >> 24)
      case FORM.uint8:
        return putWhole(out, to, image[at]!)
      case FORM.int16:
        return putInteger(out, to, image.readInt16LE(at))
      case FORM.uint16:
        return putWhole(out, to, image.readUInt16LE(at))
      case FORM.int24:
        return putInteger(out, to, image.readIntLE(at, 3))
      case FORM.uint24:
        return putWhole(out, to, image.readUIntLE(at, 3))
      case FORM.int32:
        return putInteger(out, to, image.readInt32LE(at))
      case FORM.uint32:
        return putWhole(out, to, image.readUInt32LE(at))
      case FORM.int64:
        return putInteger64(out, to, image.readInt32LE(at + 4), image.readUInt32LE(at))
      case FORM.uint64:
        return putInteger64(out, to, image.readUInt32LE(at + 4), image.readUInt32LE(at))
      case FORM.float:
        return putAscii(out, to, String(image.readFloatLE(at)))
      case FORM.double:
        return putAscii(out, to, doubleToken(image.readDoubleLE(at)))
      case FORM.year:
        return putWhole(out, to, image[at] === 0 ? 0 : 1900 + image[at]!)
      case FORM.bit:
        return putBit(out, to, image, at, column.size)
      case FORM.choice:
        return this.#putChoice(out, to, image, at, column)
      case FORM.set:
        return putSet(out, to, image, at, column)
      default:
        return this.#putQuotedValue(out, to, image, at, column)
    }
  }

  /** Values that stand between quotes. */
  #putQuotedValue(out: Buffer, to: number, image: Buffer, at: number, column: ColumnLayout): number {
    let end = to + 1
    out[to] = QUOTE
    switch (column.form) {
      case FORM.decimal:
        end = putDecimal(out, end, image, at, { precision: column.precision, scale: column.digits })
        break
      case FORM.date: {
        const packed = image.readUIntLE(at, 3)
        const day = packed & 0x1f
        const month = (packed >> 5) & 0x0f
        const year = packed >> 9
        if (day === 0 || month === 0 || year === 0) return this.#putZeroDate(out, to)
        end = putDate(out, end, year, month, day)
        break
      }
      case FORM.datetime2:
        if (isZeroDatetime2(image, at)) return this.#putZeroDate(out, to)
        end = putDatetime2(out, end, image, at, column.digits)
        break
      case FORM.timestamp2:
        if (image.readUInt32BE(at) === 0) return this.#putZeroDate(out, to)
        end = putTimestamp2(out, end, image, at, column.digits)
        break
      case FORM.timestamp:
        if (image.readUInt32LE(at) === 0) return this.#putZeroDate(out, to)
        end = putMoment(out, end, image.readUInt32LE(at))
        break
      case FORM.time2:
        end = putTime2(out, end, image, at, column.digits)
        break
      default:
        throw new MillraceError(`a column of ${this.#options.table} has no reader`, { code: 'INTERNAL' })
    }
    out[end] = QUOTE
    return end + 1
  }

  #putZeroDate(out: Buffer, to: number): number {
    if (this.#options.zeroDates === 'null') return putBytes(out, to, NULL)
    throw new MillraceError(
      `reading ${this.#options.table}: a row has a date that is in no calendar, such as 0000-00-00. Set ` +
        '`zeroDates: null` to read them as NULL',
      { code: 'POISON' },
    )
  }

  #putChoice(out: Buffer, to: number, image: Buffer, at: number, column: ColumnLayout): number {
    const index = column.size === 1 ? image[at]! : image.readUInt16LE(at)
    const name = column.names[index]
    if (name === undefined) {
      throw new MillraceError(`reading ${this.#options.table}: an enum has the index ${index}, which has no name`, {
        code: 'DECODE',
      })
    }
    return to + out.write(name, to, 'utf8')
  }

  #putVariable(out: Buffer, to: number, bytes: Buffer, column: ColumnLayout): number {
    switch (column.form) {
      case FORM.encoded:
        return putText(out, to, column.decode?.(bytes) ?? '')
      case FORM.json:
        return putText(out, to, jsonDocumentText(bytes))
      default:
        return putBase64(out, to, padded(bytes, column.padTo))
    }
  }
}

/** For a value of a fixed size, with its name; all names of a set may come together. */
function fixedRoom({ prefix, names }: ColumnLayout): number {
  return names.reduce((sum, name) => sum + Buffer.byteLength(name), (prefix?.length ?? 0) + VALUE_ROOM)
}

/** Bytes for one that is stored: JSON documents print numbers longer than they are stored, and are escaped besides. */
function roomFor(column: ColumnLayout, length: number): number {
  const factor = column.form === FORM.json ? 24 : 6
  return Math.max(length, column.padTo) * factor + 64
}

function padded(bytes: Buffer, length: number): Buffer {
  return bytes.length >= length ? bytes : Buffer.concat([bytes, Buffer.alloc(length - bytes.length)])
}

function lengthAt(image: Buffer, at: number, size: number): number {
  return size === 1 ? image[at]! : image.readUIntLE(at, size)
}

/** Shortest digits that give the same double; JSON writes exponents as JavaScript does. */
function doubleToken(value: number): string {
  return Object.is(value, -0) ? '-0.0' : String(value)
}

function putBit(out: Buffer, to: number, image: Buffer, at: number, size: number): number {
  if (size <= 6) return putWhole(out, to, image.readUIntBE(at, size))
  let value = 0n
  for (let index = 0; index < size; index++) value = value * 256n + BigInt(image[at + index]!)
  return putAscii(out, to, String(value))
}

/** The names of the bits that are set, with commas between, as SELECT gives them. */
function putSet(out: Buffer, to: number, image: Buffer, at: number, column: ColumnLayout): number {
  let text = ''
  for (let index = 0; index < column.names.length; index++) {
    if ((image[at + (index >> 3)]! & (1 << (index & 7))) === 0) continue
    text += `${text === '' ? '' : ','}${column.names[index]!.slice(1, -1)}`
  }
  return to + out.write(`"${text}"`, to, 'utf8')
}
