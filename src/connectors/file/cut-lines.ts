import { MillraceError } from '../../core/errors.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const TAB = 0x09
const OPEN_BRACE = 0x7b

/** A longer record is poison: no sink takes it, and it would have to be held whole. */
export const RECORD_BYTES_MAX: number = 16 * 1024 * 1024

/** What to cut, and where to stop. */
export interface CutRequest {
  /** Holds records from byte 0 on; they are cut in place. One byte behind `filled` must be free. */
  readonly buffer: Buffer
  readonly filled: number
  /** Nothing follows: the last record may lack its end. */
  readonly isEnd: boolean
  readonly rowsMax: number
  readonly separator: number
  /** Lines that are no objects are records, too: somebody puts them aside. */
  readonly takesBroken?: boolean
  /** Collects the first byte of each record, relative to the buffer. */
  readonly starts?: number[]
  /** Collects the end of each record after cutting. */
  readonly ends?: number[]
}

export interface Cut {
  /** Bytes of records with their separators, from byte 0 of the buffer on. */
  readonly length: number
  readonly rows: number
  /** Bytes that were looked at and are done; the rest belongs to the next cut. */
  readonly consumed: number
}

export interface CutPlace {
  readonly path: string
  /** Byte of the file where the buffer begins. */
  readonly offset: number
}

/**
 * Cuts one JSON object per line. Blank lines are left out. Records stay where they are: the line feed becomes the
 * separator and a carriage return before it a space, so that nothing has to be moved.
 */
export function cutJsonLines(request: CutRequest, place: CutPlace): Cut {
  const { buffer, filled, isEnd, rowsMax, separator, takesBroken = false, starts, ends } = request
  // Without the stale bytes of a recycled buffer, so that the search ends where the data ends.
  const data = buffer.subarray(0, filled)
  let read = 0
  let write = 0
  let rows = 0
  while (read < filled && rows < rowsMax) {
    let end = data.indexOf(LINE_FEED, read)
    if (end < 0) {
      if (!isEnd) break
      end = filled
    }
    const next = Math.min(end + 1, filled)
    if (data[read] !== OPEN_BRACE && !beginsObject(data, read, end, takesBroken ? undefined : place)) {
      read = next
      continue
    }
    mustFit(end - read, place, read)
    if (data[end - 1] === CARRIAGE_RETURN) data[end - 1] = SPACE
    if (write !== read) buffer.copyWithin(write, read, end)
    write += end - read
    starts?.push(read)
    ends?.push(write)
    buffer[write++] = separator
    rows++
    read = next
  }
  return { length: write, rows, consumed: read }
}

/** Cuts lines as they are, empty ones too; a carriage return before the line feed is not part of a line. */
export function cutRawLines(request: CutRequest, place: CutPlace): Cut {
  const { buffer, filled, isEnd, rowsMax, separator, starts, ends } = request
  const data = buffer.subarray(0, filled)
  let read = 0
  let write = 0
  let rows = 0
  while (read < filled && rows < rowsMax) {
    let end = data.indexOf(LINE_FEED, read)
    if (end < 0) {
      if (!isEnd) break
      end = filled
    }
    const stop = end > read && data[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    mustFit(stop - read, place, read)
    if (write !== read) buffer.copyWithin(write, read, stop)
    write += stop - read
    starts?.push(read)
    ends?.push(write)
    buffer[write++] = separator
    rows++
    read = Math.min(end + 1, filled)
  }
  return { length: write, rows, consumed: read }
}

/** Refuses a record that is too long; `at` is relative to the buffer. */
export function mustFit(bytes: number, place: CutPlace, at: number): void {
  if (bytes > RECORD_BYTES_MAX) {
    throw poison(place, at, `a record has more than ${RECORD_BYTES_MAX} bytes; is it one record per line?`)
  }
}

export function poison(place: CutPlace, at: number, why: string): MillraceError {
  const byte = place.offset + at
  return new MillraceError(`reading ${place.path} at byte ${byte}: ${why}`, {
    code: 'POISON',
    retry: 'halt',
    detail: { file: place.path, byte },
  })
}

/** Tells a blank line from one with an object behind white space; anything else is poison, or a record without `place`. */
function beginsObject(data: Buffer, start: number, end: number, place: CutPlace | undefined): boolean {
  for (let at = start; at < end; at++) {
    const byte = data[at]
    if (byte === OPEN_BRACE) return true
    if (byte !== SPACE && byte !== TAB && byte !== CARRIAGE_RETURN) {
      if (place === undefined) return true
      throw poison(place, start, 'the line is not a JSON object; each line has to be one')
    }
  }
  return false
}
