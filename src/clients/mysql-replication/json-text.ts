/*
 * Writers of JSON tokens into a buffer. Each takes the place to write to and returns the place behind; there has to be
 * room: six bytes for each byte of text, and 24 for any number.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `00`, `01` … `99`. */
const PAIRS = Buffer.from(Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0')).join(''))
const HEX = Buffer.from('0123456789abcdef')

/** A whole number below 2^53 and not below 0. */
export function putWhole(out: Buffer, to: number, value: number): number {
  if (value < 10) {
    out[to] = 0x30 + value
    return to + 1
  }
  if (value > 0x7f_ff_ff_ff) {
    const high = Math.floor(value / 1e9)
    return putPadded(out, putWhole(out, to, high), value - high * 1e9, 9)
  }
  let digits = 2
  for (let limit = 100; value >= limit; limit *= 10) digits++
  return putPadded(out, to, value, digits)
}

/** A whole number below 2^31 with zeros in front, `digits` long. */
export function putPadded(out: Buffer, to: number, value: number, digits: number): number {
  let rest = value | 0
  let at = to + digits
  while (at - to >= 2) {
    const next = (rest / 100) | 0
    const pair = (rest - next * 100) * 2
    out[--at] = PAIRS[pair + 1]!
    out[--at] = PAIRS[pair]!
    rest = next
  }
  if (at > to) out[to] = 0x30 + (rest % 10)
  return to + digits
}

export function putInteger(out: Buffer, to: number, value: number): number {
  if (value >= 0) return putWhole(out, to, value)
  out[to] = 0x2d
  return putWhole(out, to + 1, -value)
}

/** Two halves of a 64-bit integer; `high` is signed or not, as the column is. */
export function putInteger64(out: Buffer, to: number, high: number, low: number): number {
  if (high === 0) return putWhole(out, to, low)
  if (high >= -0x20_00_00 && high < 0x20_00_00) return putInteger(out, to, high * 0x1_00_00_00_00 + low)
  return putAscii(out, to, String(BigInt(high) * 0x1_00_00_00_00n + BigInt(low)))
}

export function putAscii(out: Buffer, to: number, text: string): number {
  for (let at = 0; at < text.length; at++) out[to + at] = text.charCodeAt(at)
  return to + text.length
}

export function putBytes(out: Buffer, to: number, bytes: Buffer): number {
  for (let at = 0; at < bytes.length; at++) out[to + at] = bytes[at]!
  return to + bytes.length
}

/** UTF-8 between two places as what stands inside of a JSON string. */
export function putEscaped(out: Buffer, to: number, bytes: Buffer, from: number, end: number): number {
  let at = to
  for (let source = from; source < end; source++) {
    const byte = bytes[source]!
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) out[at++] = byte
    else at = putEscape(out, at, byte)
  }
  return at
}

function putEscape(out: Buffer, to: number, byte: number): number {
  out[to] = BACKSLASH
  if (byte === QUOTE || byte === BACKSLASH) {
    out[to + 1] = byte
    return to + 2
  }
  out[to + 1] = 0x75
  out[to + 2] = 0x30
  out[to + 3] = 0x30
  out[to + 4] = HEX[byte >> 4]!
  out[to + 5] = HEX[byte & 15]!
  return to + 6
}

export function putQuoted(out: Buffer, to: number, bytes: Buffer, from: number, end: number): number {
  out[to] = QUOTE
  const at = putEscaped(out, to + 1, bytes, from, end)
  out[at] = QUOTE
  return at + 1
}

/** A string of ours, already decoded. Room: three bytes for each unit, six where it is escaped. */
export function putText(out: Buffer, to: number, text: string): number {
  return to + out.write(JSON.stringify(text), to, 'utf8')
}

/** Bytes in base64, quoted; `length` may be beyond the end of what is there: the rest is zeros. */
export function putBase64(out: Buffer, to: number, bytes: Buffer): number {
  out[to] = QUOTE
  const at = to + 1 + out.write(bytes.toString('base64'), to + 1, 'latin1')
  out[at] = QUOTE
  return at + 1
}
