/*
 * AssemblyScript: TypeScript with the numbers of a processor, compiled to WebAssembly by `npm run build:wasm`.
 *
 * The short way of the JSON decoder. It takes rows that look like one that was seen before (a template: the texts between
 * the values, and what is allowed where a value stands) and puts their values into column pages. It stops in front of a
 * row that has anything else in it, which then goes the long way; so nothing here tells errors apart. What passes here
 * must be what the long way (src/dataplane/json-lines.ts) lets pass, to the byte.
 *
 * A step of a template, in fields of four bytes:
 *
 *   literal · its length · kind · column, or 0 · digits · scale · flags
 */
import {
  addFound,
  addNull,
  addText,
  BOOLEAN,
  DIGITS,
  isDigit,
  isSame,
  MOMENT,
  NULLABLE,
  nullPlace,
  NUMBER,
  scanBoolean,
  scanDigits,
  scanMoment,
  scanNumber,
  TEXT,
} from './values'

const STEP: usize = 28
const ANY: i32 = 6
const END: i32 = 7

/** The text has no escapes. */
const PLAIN: i32 = 4

/** The row that is next. */
export let rows: i32 = 0

/** Takes rows from `from` on up to `end`; returns the start of the row that it cannot take, or `end`. */
export function take(from: usize, end: usize, steps: usize, absent: usize, absentCount: i32): usize {
  let start = from
  while (start < end) {
    const next = takeRow(start, steps)
    if (next == 0) return start
    for (let i = 0; i < absentCount; i++) addNull(load<u32>(absent + ((<usize>i) << 2)), rows)
    rows++
    start = next
  }
  return start
}

function takeRow(start: usize, steps: usize): usize {
  let at = start
  let step = steps
  for (;;) {
    const literal = <usize>load<u32>(step)
    const length = <usize>load<u32>(step, 4)
    if (!isSame(at, literal, length)) break
    at += length
    const kind = load<i32>(step, 8)
    if (kind == END) return at
    const column = <usize>load<u32>(step, 12)
    if (column != 0) store<u32>(column, load<u32>(column), 4)
    if (load<u8>(at) == 0x6e) at = takeNull(at, column, load<i32>(step, 24))
    else {
      switch (kind) {
        case TEXT:
          at = takeText(at, column, load<i32>(step, 24))
          break
        case NUMBER:
          at = takeNumber(at, column, step)
          break
        case MOMENT:
          at = takeMoment(at, column, load<i32>(step, 20))
          break
        case DIGITS:
          at = takeDigits(at, column, step)
          break
        case BOOLEAN:
          at = takeBoolean(at, column)
          break
        default:
          at = skipAny(at)
      }
    }
    if (at == 0) break
    step += STEP
  }
  takeBack(steps, step)
  return 0
}

/** Undoes what the steps before `last` have written of the row that was broken off. */
function takeBack(steps: usize, last: usize): void {
  for (let step = steps; step < last; step += STEP) {
    const column = <usize>load<u32>(step, 12)
    if (column == 0) continue
    store<u32>(column, load<u32>(column, 4))
    const nulls = load<u32>(column, 8)
    if (nulls > 0 && load<i32>(nullPlace(column, nulls - 1)) == rows) store<u32>(column, nulls - 1, 8)
  }
}

function takeNull(at: usize, column: usize, flags: i32): usize {
  if (load<u32>(at) != 0x6c6c756e || (flags & NULLABLE) == 0) return 0
  if (column != 0) addNull(column, rows)
  return at + 4
}

/** A string, copied while its end is looked for. */
function takeText(at: usize, column: usize, flags: i32): usize {
  if (load<u8>(at) != 0x22) return 0
  const value = <usize>load<u32>(column)
  let place = at + 1
  let to = value + 4
  const quotes = i8x16.splat(0x22)
  const backslashes = i8x16.splat(0x5c)
  const blanks = i8x16.splat(0x20)
  for (;;) {
    const bytes = v128.load(place)
    v128.store(to, bytes)
    const found = i8x16.bitmask(
      v128.or(v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, backslashes)), i8x16.lt_u(bytes, blanks)),
    )
    if (found != 0) {
      place += ctz(found)
      to += ctz(found)
      break
    }
    place += 16
    to += 16
  }
  if (load<u8>(place) != 0x22) {
    if (load<u8>(place) != 0x5c || (flags & PLAIN) != 0) return 0
    place = takeEscaped(place, to)
    if (place == 0) return 0
    to = written
  }
  store<u32>(value, <u32>(to - value - 4))
  store<u32>(column, <u32>to)
  return place + 1
}

/** The place behind the bytes that `takeEscaped` or `takeCodePoint` wrote. */
let written: usize = 0

/** The rest of a string from its first escape on; returns the place of the closing quote. */
function takeEscaped(from: usize, target: usize): usize {
  let place = from
  let to = target
  for (let byte = load<u8>(place); byte != 0x22; byte = load<u8>(place)) {
    if (byte < 0x20) return 0
    place++
    if (byte == 0x5c) {
      byte = load<u8>(place++)
      if (byte == 0x75) {
        place = takeCodePoint(place, to)
        if (place == 0) return 0
        to = written
        continue
      }
      byte = unescaped(byte)
      if (byte == 0) return 0
    }
    store<u8>(to++, byte)
  }
  written = to
  return place
}

/** What a letter behind a backslash stands for, or 0. */
function unescaped(letter: u8): u8 {
  switch (letter) {
    case 0x22: // "
    case 0x5c: // \\
    case 0x2f: // /
      return letter
    case 0x62: // b
      return 0x08
    case 0x66: // f
      return 0x0c
    case 0x6e: // n
      return 0x0a
    case 0x72: // r
      return 0x0d
    case 0x74: // t
      return 0x09
    default:
      return 0
  }
}

/** Four hexadecimal digits, perhaps with a second half of a pair, as UTF-8. */
function takeCodePoint(from: usize, to: usize): usize {
  let place = from + 4
  let point = hex4(from)
  if (point < 0 || (point >= 0xdc00 && point <= 0xdfff)) return 0
  if (point >= 0xd800 && point <= 0xdbff) {
    if (load<u8>(place) != 0x5c || load<u8>(place, 1) != 0x75) return 0
    const low = hex4(place + 2)
    if (low < 0xdc00 || low > 0xdfff) return 0
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
    place += 6
  }
  if (point < 0x80) {
    store<u8>(to, <u8>point)
    written = to + 1
  } else if (point < 0x800) {
    store<u8>(to, <u8>(0xc0 | (point >> 6)))
    store<u8>(to, <u8>(0x80 | (point & 63)), 1)
    written = to + 2
  } else if (point < 0x10000) {
    store<u8>(to, <u8>(0xe0 | (point >> 12)))
    store<u8>(to, <u8>(0x80 | ((point >> 6) & 63)), 1)
    store<u8>(to, <u8>(0x80 | (point & 63)), 2)
    written = to + 3
  } else {
    store<u8>(to, <u8>(0xf0 | (point >> 18)))
    store<u8>(to, <u8>(0x80 | ((point >> 12) & 63)), 1)
    store<u8>(to, <u8>(0x80 | ((point >> 6) & 63)), 2)
    store<u8>(to, <u8>(0x80 | (point & 63)), 3)
    written = to + 4
  }
  return place
}

function hex4(at: usize): i32 {
  let value: i32 = 0
  for (let index: usize = 0; index < 4; index++) {
    const byte = <i32>load<u8>(at + index)
    const lower = byte | 0x20
    if (byte >= 0x30 && byte <= 0x39) value = value * 16 + (byte - 0x30)
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + (lower - 0x57)
    else return -1
  }
  return value
}

/** Perhaps in quotes. */
function takeNumber(from: usize, column: usize, step: usize): usize {
  const isQuoted = load<u8>(from) == 0x22
  const start = isQuoted ? from + 1 : from
  const at = scanNumber(start, load<i32>(step, 16), load<i32>(step, 20), load<i32>(step, 24))
  if (at == 0 || (isQuoted && load<u8>(at) != 0x22)) return 0
  addFound(column)
  return isQuoted ? at + 1 : at
}

/** A number that travels as its text, perhaps in quotes. */
function takeDigits(from: usize, column: usize, step: usize): usize {
  const isQuoted = load<u8>(from) == 0x22
  const start = isQuoted ? from + 1 : from
  const at = scanDigits(start, load<i32>(step, 16), load<i32>(step, 20), load<i32>(step, 24))
  if (at == 0 || (isQuoted && load<u8>(at) != 0x22)) return 0
  addText(column, start, at)
  return isQuoted ? at + 1 : at
}

function takeBoolean(at: usize, column: usize): usize {
  const end = scanBoolean(at)
  if (end != 0) addText(column, at, end)
  return end
}

function takeMoment(from: usize, column: usize, precision: i32): usize {
  if (load<u8>(from) != 0x22) return 0
  const at = scanMoment(from + 1, precision)
  if (at == 0 || load<u8>(at) != 0x22) return 0
  addFound(column)
  return at + 1
}

/** A value that nobody asks for, when it is plain. */
function skipAny(at: usize): usize {
  const first = load<u8>(at)
  if (first == 0x22) return skipText(at + 1)
  if (first == 0x74) return load<u32>(at) == 0x65757274 ? at + 4 : 0
  if (first == 0x66) return load<u32>(at) == 0x736c6166 && load<u8>(at, 4) == 0x65 ? at + 5 : 0
  return skipNumber(at)
}

function skipText(start: usize): usize {
  let place = start
  for (let byte = load<u8>(place); byte != 0x22; byte = load<u8>(place)) {
    if (byte == 0x5c || byte < 0x20) return 0
    place++
  }
  return place + 1
}

function skipNumber(from: usize): usize {
  let at = load<u8>(from) == 0x2d ? from + 1 : from
  const first = at
  while (isDigit(at)) at++
  if (at == first || (at > first + 1 && load<u8>(first) == 0x30)) return 0
  if (load<u8>(at) != 0x2e) return at
  const point = at++
  while (isDigit(at)) at++
  return at == point + 1 ? 0 : at
}
