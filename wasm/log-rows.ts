/*
 * AssemblyScript: the short way from log groups of SLS into columns. It takes logs whose contents have their key first
 * and plain values, and stops in front of any other, which then goes the long way (src/connectors/sls/log-tables.ts).
 *
 *     Log           1 Time uint32, 2 repeated LogContent, 4 TimeNs fixed32      (aliyun-log-go-sdk log.proto)
 *     LogContent    1 Key, 2 Value
 *
 * A column that is asked for, in fields of four bytes:
 *
 *   name · its length · kind · column · digits · scale · flags · last row that has it
 */
import {
  addFound,
  addNull,
  addText,
  BOOLEAN,
  isSame,
  MOMENT,
  NUMBER,
  scanBoolean,
  scanDigits,
  scanMoment,
  scanNumber,
  TEXT,
} from './values'
import { behind, varint } from './wire'

const FIELD: usize = 32
/** Contents of a log whose keys are expected where they were in the log before. */
const ORDERED: i32 = 64

/** The row that is next. */
export let rows: i32 = 0
/** Bytes of the logs that were taken. */
export let bytes: i32 = 0

let time: u32 = 0
let nanos: u32 = 0

/**
 * Takes logs from `from` on: `count` of them at most, none that reaches over `end`. Seconds and nanoseconds of each are
 * put into `times`. `order` has room for the field of each content. Returns the start of the log that is next.
 */
export function take(
  from: usize,
  end: usize,
  fields: usize,
  fieldCount: i32,
  order: usize,
  times: usize,
  count: i32,
): usize {
  const fieldsEnd = fields + <usize>fieldCount * FIELD
  let at = from
  let timeAt = times
  for (let taken = 0; taken < count && at < end; taken++) {
    if (load<u8>(at) != 0x0a) return at
    const size = varint(at + 1)
    const start = behind
    const logEnd = start + size
    if (start == 0 || logEnd > end) return at
    for (let field = fields; field < fieldsEnd; field += FIELD) {
      const column = <usize>load<u32>(field, 12)
      store<u32>(column, load<u32>(column), 4)
    }
    if (!takeLog(start, logEnd, fields, fieldsEnd, order)) {
      for (let field = fields; field < fieldsEnd; field += FIELD) {
        const column = <usize>load<u32>(field, 12)
        store<u32>(column, load<u32>(column, 4))
        store<i32>(field, -1, 28)
      }
      return at
    }
    for (let field = fields; field < fieldsEnd; field += FIELD) {
      if (load<i32>(field, 28) != rows) addNull(<usize>load<u32>(field, 12), rows)
    }
    store<u32>(timeAt, time)
    store<u32>(timeAt, nanos, 4)
    timeAt += 8
    rows++
    bytes += <i32>size
    at = logEnd
  }
  return at
}

function takeLog(from: usize, end: usize, fields: usize, fieldsEnd: usize, order: usize): bool {
  let at = from
  let index = 0
  time = 0
  nanos = 0
  while (at < end) {
    const tag = load<u8>(at)
    if (tag == 0x12) {
      const size = varint(at + 1)
      at = behind + size
      if (behind == 0 || at > end) return false
      if (!takeContent(behind, at, fields, fieldsEnd, index < ORDERED ? order + ((<usize>index) << 2) : 0)) return false
      index++
    } else if (tag == 0x08) {
      time = <u32>varint(at + 1)
      if (behind == 0) return false
      at = behind
    } else if (tag == 0x25) {
      nanos = load<u32>(at, 1) % 1000000000
      at += 5
    } else return false
  }
  return at == end
}

/** `expected` is where the field of the same content in the log before stands. */
// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
function takeContent(from: usize, end: usize, fields: usize, fieldsEnd: usize, expected: usize): bool {
  const keySize = <usize>load<u8>(from, 1)
  const key = from + 2
  const behindKey = key + keySize
  if (load<u8>(from) != 0x0a || keySize > 127 || behindKey >= end || load<u8>(behindKey) != 0x12) return false
  const size = varint(behindKey + 1)
  const value = behind
  if (value == 0 || value + size != end) return false
  let field: usize = expected == 0 ? 0 : <usize>load<u32>(expected)
  if (field == 0 || <usize>load<u32>(field, 4) != keySize || !isSame(key, <usize>load<u32>(field), keySize)) {
    field = fields
    while (field < fieldsEnd) {
      if (<usize>load<u32>(field, 4) == keySize && isSame(key, <usize>load<u32>(field), keySize)) break
      field += FIELD
    }
    // Nobody asks for it.
    if (field == fieldsEnd) return true
    if (expected != 0) store<u32>(expected, <u32>field)
  }
  // Of equal keys the last one counts.
  if (load<i32>(field, 28) == rows) return false
  store<i32>(field, rows, 28)
  return takeValue(value, end, field, <usize>load<u32>(field, 12))
}

// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
function takeValue(from: usize, end: usize, field: usize, column: usize): bool {
  const kind = load<i32>(field, 8)
  if (kind == TEXT) {
    addText(column, from, end)
    return true
  }
  if (kind == NUMBER || kind == MOMENT) {
    const at =
      kind == MOMENT
        ? scanMoment(from, load<i32>(field, 20))
        : scanNumber(from, load<i32>(field, 16), load<i32>(field, 20), load<i32>(field, 24))
    if (at != end) return false
    addFound(column)
    return true
  }
  const at =
    kind == BOOLEAN
      ? scanBoolean(from)
      : scanDigits(from, load<i32>(field, 16), load<i32>(field, 20), load<i32>(field, 24))
  if (at != end) return false
  addText(column, from, end)
  return true
}
