import { MillraceError } from '../../core/errors.ts'

/** A file that is read in ranges: on a disk, or in object storage. */
export interface ByteRanges {
  /** For messages. */
  readonly name: string
  /** Bytes of the whole file. */
  readonly size: number
  /** Bytes from `start` up to `end` (not included); fewer when the file ends before. */
  read(start: number, end: number): Promise<Uint8Array>
}

export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** A gap of so many bytes is read rather than jumped over: a request costs more. */
const GAP_BYTES_MAX = 128 * 1024
const REQUEST_BYTES_MAX = 8 * 1024 * 1024
const REQUESTS_AT_ONCE = 4
const PIECES_AHEAD = 2

/**
 * Reads several ranges, near ones together and long ones in parts, a few at a time. What comes back stands in the order
 * of `ranges`; each one may come in several parts.
 *
 * @throws MillraceError `DECODE` when the file is shorter than it was said to be.
 */
export async function readRanges(file: ByteRanges, ranges: readonly ByteRange[]): Promise<readonly Uint8Array[][]> {
  const requests = planRequests(ranges)
  const bytes: Uint8Array[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < requests.length; index = next++) {
      const { start, end } = requests[index] ?? { start: 0, end: 0 }
      bytes[index] = await readExactly(file, start, end)
    }
  }
  await Promise.all(Array.from({ length: Math.min(REQUESTS_AT_ONCE, requests.length) }, worker))
  return ranges.map((range) => partsOf(range, requests, bytes))
}

/** @throws MillraceError `DECODE` when the file ends before. */
export async function readExactly(file: ByteRanges, start: number, end: number): Promise<Uint8Array> {
  const bytes = await file.read(start, end)
  if (bytes.length === end - start) return bytes
  throw new MillraceError(
    `reading ${file.name}: it ends at byte ${start + bytes.length}, and should have ${file.size} bytes; is it complete?`,
    { code: 'DECODE', detail: { file: file.name, bytes: start + bytes.length, expected: file.size } },
  )
}

/** Requests in the order of their starts that cover all ranges. */
export function planRequests(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const joined: { start: number; end: number }[] = []
  for (const { start, end } of ranges.toSorted((one, other) => one.start - other.start)) {
    const last = joined.at(-1)
    if (last !== undefined && start - last.end <= GAP_BYTES_MAX) last.end = Math.max(last.end, end)
    else joined.push({ start, end })
  }
  return joined.flatMap(inRequests)
}

function inRequests({ start, end }: ByteRange): readonly ByteRange[] {
  const parts: ByteRange[] = []
  for (let at = start; at < end; at += REQUEST_BYTES_MAX) {
    parts.push({ start: at, end: Math.min(end, at + REQUEST_BYTES_MAX) })
  }
  return parts
}

/** The bytes of the ranges in their order, in pieces, of which few are in memory at a time. */
export async function* readPieces(file: ByteRanges, ranges: readonly ByteRange[]): AsyncGenerator<Uint8Array> {
  const requests = ranges.flatMap(inRequests)
  const ahead: Promise<Uint8Array>[] = []
  for (let next = 0; next < requests.length || ahead.length > 0;) {
    const request = requests[next]
    if (request !== undefined && ahead.length < PIECES_AHEAD) {
      const reading = readExactly(file, request.start, request.end)
      // Heard by whoever comes to this piece; nobody does after an earlier one has failed.
      reading.catch(() => undefined)
      ahead.push(reading)
      next++
      continue
    }
    const piece = await ahead.shift()
    if (piece !== undefined) yield piece
  }
}

function partsOf(range: ByteRange, requests: readonly ByteRange[], bytes: readonly Uint8Array[]): Uint8Array[] {
  return requests.flatMap(({ start, end }, index) => {
    const from = Math.max(start, range.start)
    const to = Math.min(end, range.end)
    const part = bytes[index]
    return part === undefined || from >= to ? [] : [part.subarray(from - start, to - start)]
  })
}

/** The same file, whose bytes from `start` on are at hand. */
export function withTail(file: ByteRanges, start: number, tail: Uint8Array): ByteRanges {
  return {
    name: file.name,
    size: file.size,
    read: async (from, to) => (from >= start ? tail.subarray(from - start, to - start) : await file.read(from, to)),
  }
}
