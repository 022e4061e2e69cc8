import { FORM, type ValueForm } from './types.ts'

/** Writes one element and returns the place behind it, or a negative number. */
export type WriteElement = (
  form: ValueForm,
  bytes: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
) => number

const OPEN = 0x7b // {
const CLOSE = 0x7d // }
const QUOTE = 0x22
const BACKSLASH = 0x5c
const NULL = Buffer.from('null')

/**
 * Writes an array's text (`{1,NULL,"a \"b\""}`, PostgreSQL documentation "Array Input and Output Syntax") as a JSON array.
 * Lower bounds that are not 1 (`[0:1]={…}`) are left out: JSON has no words for them.
 */
export function writeArray(
  form: ValueForm,
  bytes: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
  writeElement: WriteElement,
): number {
  const { element = { form: FORM.text }, separator = 0x2c } = form
  let at = bytes[start] === 0x5b ? bytes.indexOf(0x3d, start) + 1 : start
  while (at < end) {
    const byte = bytes[at]!
    if (byte === OPEN || byte === CLOSE || byte === separator) {
      target[to++] = byte === OPEN ? 0x5b : byte === CLOSE ? 0x5d : 0x2c
      at++
      continue
    }
    if (byte === QUOTE) {
      const item = unquoted(bytes, at + 1)
      to = writeElement(element, item.bytes, 0, item.bytes.length, target, to)
      at = item.behind
    } else {
      const stop = endOfBare(bytes, at, end, separator)
      if (isNull(bytes, at, stop)) to += NULL.copy(target, to)
      else to = writeElement(element, bytes, at, stop, target, to)
      at = stop
    }
    if (to < 0) return to
  }
  return to
}

function endOfBare(bytes: Buffer, from: number, end: number, separator: number): number {
  let at = from
  while (at < end && bytes[at] !== separator && bytes[at] !== CLOSE) at++
  return at
}

function isNull(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 4 && bytes.toString('latin1', start, end).toUpperCase() === 'NULL'
}

/** `from` is behind the opening quote. */
function unquoted(bytes: Buffer, from: number): { readonly bytes: Buffer; readonly behind: number } {
  const out: number[] = []
  let at = from
  for (; bytes[at] !== QUOTE; at++) {
    if (bytes[at] === BACKSLASH) at++
    out.push(bytes[at]!)
  }
  return { bytes: Buffer.from(out), behind: at + 1 }
}
