import { mustFit, poison, type Cut, type CutPlace, type CutRequest } from './cut-lines.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** The two bytes that decide where a CSV record ends. */
export interface CsvMarks {
  readonly delimiter: number
  readonly quote: number
}

/**
 * Cuts CSV records at their true ends (RFC 4180): a quoted field may hold line feeds, delimiters and doubled quotes.
 * A quote inside a field that does not begin with one is plain text. Empty lines are left out; write `""` for a record
 * with one empty field. A carriage return before the line feed is not part of the record. With `takesBroken`, of a record
 * whose quotes do not end the first line is one, and the next line begins another.
 */
export function cutCsvRecords(request: CutRequest, marks: CsvMarks, place: CutPlace): Cut {
  const { buffer, filled, isEnd, rowsMax, separator, takesBroken = false, starts, ends } = request
  const scan = new CsvScan(buffer.subarray(0, filled), marks, isEnd)
  let read = 0
  let write = 0
  let rows = 0
  while (read < filled && rows < rowsMax) {
    let end = scan.recordEnd(read)
    if (end === UNFINISHED && !isEnd) break
    if (end < 0 && takesBroken) end = scan.lineEnd(read)
    if (end === UNFINISHED) throw poison(place, read, 'the file ends inside a quoted field')
    if (end === GARBLED) throw poison(place, read, 'a closing quote is followed by neither a delimiter nor a line end')
    const stop = end > read && buffer[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    mustFit(stop - read, place, read)
    if (stop > read) {
      if (write !== read) buffer.copyWithin(write, read, stop)
      write += stop - read
      starts?.push(read)
      ends?.push(write)
      // The scan never looks back, so that a shorter copy may overwrite what it has passed.
      buffer[write++] = separator
      rows++
    }
    read = Math.min(end + 1, filled)
  }
  return { length: write, rows, consumed: read }
}

const UNFINISHED = -1
const GARBLED = -2

class CsvScan {
  readonly #data: Buffer
  readonly #marks: CsvMarks
  readonly #isEnd: boolean
  /** The first quote at or behind the place where it was looked for last; most records have none. */
  #quote = -1

  constructor(data: Buffer, marks: CsvMarks, isEnd: boolean) {
    this.#data = data
    this.#marks = marks
    this.#isEnd = isEnd
  }

  /** Index of the first line feed (or of the end of the data), whatever the quotes say. What follows is scanned anew. */
  lineEnd(start: number): number {
    this.#quote = -1
    return this.#lineEnd(start)
  }

  /** Index of the line feed (or of the end of the data) that ends the record beginning at `start`. */
  recordEnd(start: number): number {
    let at = start
    for (;;) {
      const lineEnd = this.#lineEnd(at)
      const quote = this.#nextQuote(at)
      if (quote >= lineEnd) {
        return lineEnd < this.#data.length || this.#isEnd ? lineEnd : UNFINISHED
      }
      if (quote !== start && this.#data[quote - 1] !== this.#marks.delimiter) {
        at = quote + 1
        continue
      }
      const closing = this.#closingQuote(quote + 1)
      if (closing < 0) return UNFINISHED
      if (!this.#mayFollow(closing + 1)) return GARBLED
      at = closing + 1
    }
  }

  #lineEnd(from: number): number {
    const found = this.#data.indexOf(LINE_FEED, from)
    return found < 0 ? this.#data.length : found
  }

  #nextQuote(from: number): number {
    if (this.#quote < from) {
      const found = from >= this.#data.length ? -1 : this.#data.indexOf(this.#marks.quote, from)
      this.#quote = found < 0 ? this.#data.length : found
    }
    return this.#quote
  }

  /** The quote that closes a field; unfinished also when the byte behind it, which may double it, is not there yet. */
  #closingQuote(from: number): number {
    for (let at = from; at < this.#data.length;) {
      const quote = this.#data.indexOf(this.#marks.quote, at)
      if (quote < 0) return UNFINISHED
      if (quote + 1 === this.#data.length) return this.#isEnd ? quote : UNFINISHED
      if (this.#data[quote + 1] !== this.#marks.quote) return quote
      at = quote + 2
    }
    return UNFINISHED
  }

  #mayFollow(at: number): boolean {
    if (at >= this.#data.length) return true
    const byte = this.#data[at]
    return byte === this.#marks.delimiter || byte === LINE_FEED || byte === CARRIAGE_RETURN
  }
}
