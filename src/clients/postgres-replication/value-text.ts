import { writeArray } from './array-text.ts'
import { FORM, type ValueForm } from './types.ts'

/** Returned in the place of a length: the value is one that JSON or the column's type has no word for. */
export const UNSPEAKABLE = -1

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LOOP_MAX = 48
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const HEX = Buffer.from('0123456789abcdef')

/**
 * Writes the text of a value as JSON and returns the place behind it, or `UNSPEAKABLE`. The target has room for six times
 * the bytes of the value and two more.
 */
export function writeValue(
  form: ValueForm,
  bytes: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
): number {
  switch (form.form) {
    case FORM.number:
      return copy(bytes, start, end, target, to)
    case FORM.floating:
      return isFinite(bytes, start) ? copy(bytes, start, end, target, to) : UNSPEAKABLE
    case FORM.decimal:
      return isFinite(bytes, start) ? quote(bytes, start, end, target, to) : UNSPEAKABLE
    case FORM.boolean: {
      const word = bytes[start] === 0x74 ? TRUE : FALSE
      return copy(word, 0, word.length, target, to)
    }
    case FORM.text:
      return writeText(bytes, start, end, target, to)
    case FORM.plain:
      return quote(bytes, start, end, target, to)
    case FORM.date:
      return isDay(bytes, start) && end - start === 10 ? quote(bytes, start, end, target, to) : UNSPEAKABLE
    case FORM.time:
      // `24:00:00` is a time of Postgres, and of nobody else.
      return bytes[start] === 0x32 && bytes[start + 1] === 0x34 ? UNSPEAKABLE : quote(bytes, start, end, target, to)
    case FORM.timestamp:
      return isMoment(bytes, start, end) ? quote(bytes, start, end, target, to) : UNSPEAKABLE
    case FORM.timestamptz:
      // The offset is always `+00`.
      return isMoment(bytes, start, end) ? quote(bytes, start, end - 3, target, to) : UNSPEAKABLE
    case FORM.bytes:
      return writeBytes(bytes, start, end, target, to)
    case FORM.json:
      return writeJson(bytes, start, end, target, to)
    case FORM.array:
      return writeArray(form, bytes, start, end, target, to, writeValue)
    case FORM.document:
      return writeDocument(form.element ?? { form: FORM.text }, bytes, start, end, target, to)
  }
}

export function copy(bytes: Buffer, start: number, end: number, target: Buffer, to: number): number {
  if (end - start > LOOP_MAX) {
    bytes.copy(target, to, start, end)
    return to + end - start
  }
  for (let at = start; at < end; at++) target[to++] = bytes[at]!
  return to
}

function quote(bytes: Buffer, start: number, end: number, target: Buffer, to: number): number {
  target[to] = QUOTE
  const behind = copy(bytes, start, end, target, to + 1)
  target[behind] = QUOTE
  return behind + 1
}

export function writeText(bytes: Buffer, start: number, end: number, target: Buffer, to: number): number {
  target[to++] = QUOTE
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) target[to++] = byte
    else to = writeEscaped(byte, target, to)
  }
  target[to++] = QUOTE
  return to
}

export function writeEscaped(byte: number, target: Buffer, to: number): number {
  target[to++] = BACKSLASH
  if (byte === QUOTE || byte === BACKSLASH) {
    target[to++] = byte
    return to
  }
  target[to++] = 0x75 // u
  target[to++] = 0x30
  target[to++] = 0x30
  target[to++] = HEX[byte >> 4]!
  target[to++] = HEX[byte & 15]!
  return to
}

/** Not `NaN`, `Infinity` or `-Infinity`. */
function isFinite(bytes: Buffer, start: number): boolean {
  const first = bytes[start] === 0x2d ? bytes[start + 1]! : bytes[start]!
  return first >= 0x30 && first <= 0x39
}

/** A day of the years 0001 to 9999: four digits, and not `infinity`. Days before our era end with ` BC`. */
function isDay(bytes: Buffer, start: number): boolean {
  return bytes[start + 4] === 0x2d && bytes[start]! <= 0x39 && bytes[start] !== 0x2d
}

function isMoment(bytes: Buffer, start: number, end: number): boolean {
  return isDay(bytes, start) && bytes[end - 1] !== 0x43
}

/** `\x` and hexadecimal digits → base64. */
function writeBytes(bytes: Buffer, start: number, end: number, target: Buffer, to: number): number {
  const plain = Buffer.from(bytes.toString('latin1', start + 2, end), 'hex')
  target[to] = QUOTE
  const behind = to + 1 + target.write(plain.toString('base64'), to + 1, 'latin1')
  target[behind] = QUOTE
  return behind + 1
}

function writeDocument(
  inner: ValueForm,
  bytes: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
): number {
  const document = Buffer.allocUnsafe(6 * (end - start) + 2)
  const length = writeValue(inner, bytes, start, end, document, 0)
  return length < 0 ? length : writeText(document, 0, length, target, to)
}

/** As it is; line feeds of JSON can only be between its words. */
function writeJson(bytes: Buffer, start: number, end: number, target: Buffer, to: number): number {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    target[to++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte
  }
  return to
}
