import { LogKeys, UNKNOWN_KEY } from './log-keys.ts'
import type { LogReader } from './log-reader.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
/** A byte of a value takes six as `\u00xx`; around each content stand quotes, a colon and a comma. */
const GROWTH = 6
const AROUND = 8
const SKIPPED = -2

/** The buffer that lines are written into, each followed by the separator. */
export interface LineTarget {
  readonly buffer: Buffer
  /** Where each line ends; the separator stands there. */
  readonly ends: Uint32Array
  readonly separator: number
  rows: number
  length: number
}

/**
 * Writes logs as JSON objects of their keys and values, all of them strings, in the order of the log. Of a key that
 * occurs twice in a log the last one counts. Bytes that are no text are kept as they are: whoever takes the lines checks.
 */
export class LogLines {
  readonly #keys = new LogKeys([])
  /** `"key":"` of every key that has a number. */
  readonly #heads: Head[] = []
  /** The log in which each key was seen last. */
  #seen = new Float64Array(64)
  #stamp = 0
  #numbers = new Int32Array(64)
  #viewed: Buffer | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  /** Bytes that the current log can take at the most. */
  static bytesMax({ logBytes, contents }: LogReader): number {
    return logBytes * GROWTH + contents * AROUND + 4
  }

  /** Writes logs from the current one on, until the target is full, or the groups before `groupEnd` are read. */
  write(reader: LogReader, target: LineTarget, groupEnd: number): void {
    const rowsMax = target.ends.length
    while (reader.hasLog && reader.group < groupEnd && target.rows < rowsMax) {
      if (target.length + LogLines.bytesMax(reader) > target.buffer.length) return
      const end = this.#writeLog(reader, target.buffer, target.length)
      target.buffer[end] = target.separator
      target.ends[target.rows++] = end
      target.length = end + 1
      reader.next()
    }
  }

  #writeLog(reader: LogReader, output: Buffer, start: number): number {
    const { bytes, contents, keyStarts, keyEnds, valueStarts, valueEnds } = reader
    const stamp = ++this.#stamp
    if (contents > this.#numbers.length) this.#numbers = new Int32Array(contents * 2)
    const numbers = this.#numbers
    let key = UNKNOWN_KEY
    let isOdd = false
    for (let index = 0; index < contents; index++) {
      key = this.#keys.find(bytes, reader.view, keyStarts[index]!, keyEnds[index]!, key)
      numbers[index] = key
      if (key < 0 || key >= this.#seen.length) {
        isOdd = true
        continue
      }
      if (this.#seen[key] === stamp) isOdd = true
      this.#seen[key] = stamp
    }
    if (isOdd) this.#settle(reader)
    const { view: source } = reader
    const into = this.#viewOf(output)
    let to = start
    output[to++] = OPEN_BRACE
    for (let index = 0; index < contents; index++) {
      const number = numbers[index]!
      if (number === SKIPPED) continue
      const head = number < 0 ? headOf(bytes.subarray(keyStarts[index], keyEnds[index])) : this.#head(number)
      // A copy of whole words may write three bytes too many, where the value comes next.
      for (let at = 0; at < head.length; at += 4) into.setInt32(to + at, head.words.getInt32(at, true), true)
      to += head.length
      to = copyValue(bytes, source, valueStarts[index]!, valueEnds[index]!, output, into, to)
      output[to++] = QUOTE
      output[to++] = COMMA
    }
    // The last comma makes room for the brace.
    if (output[to - 1] === COMMA) to--
    output[to++] = CLOSE_BRACE
    return to
  }

  /** Takes out all but the last of equal keys, and makes room for new ones. */
  #settle({ bytes, contents, keyStarts, keyEnds }: LogReader): void {
    const last = new Map<string, number>()
    for (let index = 0; index < contents; index++) {
      const name = bytes.toString('latin1', keyStarts[index], keyEnds[index])
      const earlier = last.get(name)
      if (earlier !== undefined) this.#numbers[earlier] = SKIPPED
      last.set(name, index)
    }
    const known = this.#keys.names.length
    if (known <= this.#seen.length) return
    const larger = new Float64Array(known * 2)
    larger.set(this.#seen)
    this.#seen = larger
  }

  #viewOf(output: Buffer): DataView {
    if (this.#viewed !== output) {
      this.#viewed = output
      this.#view = new DataView(output.buffer, output.byteOffset, output.byteLength)
    }
    return this.#view
  }

  #head(number: number): Head {
    for (let next = this.#heads.length; next <= number; next++) {
      this.#heads.push(headOf(this.#keys.names[next] ?? Buffer.alloc(0)))
    }
    return this.#heads[number]!
  }
}

/**
 * Copies a value, four bytes at a time as long as none of them has to be escaped: each of the three terms sets the high
 * bit of a byte that is below 0x20, a quote or a backslash (bithacks, "Determine if a word has a zero byte"). A borrow
 * may set one too many, which costs only time.
 */
function copyValue(
  bytes: Buffer,
  source: DataView,
  start: number,
  end: number,
  output: Buffer,
  into: DataView,
  at: number,
): number {
  let from = start
  let to = at
  for (;;) {
    for (; from + 4 <= end; from += 4, to += 4) {
      const word = source.getInt32(from, true)
      const quotes = word ^ 0x22222222
      const backslashes = word ^ 0x5c5c5c5c
      const special =
        ((word - 0x20202020) & ~word) | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)
      if ((special & 0x80808080) !== 0) break
      into.setInt32(to, word, true)
    }
    if (from >= end) return to
    for (const stop = Math.min(end, from + 4); from < stop; from++) {
      const byte = bytes[from]!
      if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) output[to++] = byte
      else to = writeEscaped(output, to, byte)
    }
  }
}

/** What stands in front of a value: `"key":"`, with room behind it for a whole last word. */
interface Head {
  readonly words: DataView
  readonly length: number
}

/** Written byte by byte, because a key may be no text. */
function headOf(name: Buffer): Head {
  const head = Buffer.alloc(name.length * GROWTH + 8)
  let to = 0
  head[to++] = QUOTE
  for (const byte of name) {
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) head[to++] = byte
    else to = writeEscaped(head, to, byte)
  }
  const length = to + head.write('":"', to, 'latin1')
  return { words: new DataView(head.buffer, head.byteOffset, head.byteLength), length }
}

const HEX = Buffer.from('0123456789abcdef')
/** Letters behind the backslash; 0 for `\u00xx`. */
const SHORT = new Uint8Array(128)
for (const pair of ['""', '\\\\', '\bb', '\ff', '\nn', '\rr', '\tt']) SHORT[pair.charCodeAt(0)] = pair.charCodeAt(1)

function writeEscaped(output: Buffer, at: number, byte: number): number {
  output[at] = BACKSLASH
  const letter = SHORT[byte]!
  if (letter !== 0) {
    output[at + 1] = letter
    return at + 2
  }
  output[at + 1] = 0x75
  output[at + 2] = output[at + 3] = 0x30
  output[at + 4] = HEX[byte >>> 4]!
  output[at + 5] = HEX[byte & 15]!
  return at + 6
}
