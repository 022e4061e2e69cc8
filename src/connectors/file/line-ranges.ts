import { MillraceError } from '../../core/errors.ts'
import { RECORD_BYTES_MAX } from './cut-lines.ts'
import type { OpenedFile } from './file-place.ts'

/** Length of the ranges of a large file. Fixed, so that every start cuts a file at the same places. */
export const RANGE_BYTES: number = 64 * 1024 * 1024

/** Bytes of a file from `start` up to `end`, both at line starts. */
export interface LineRange {
  readonly start: number
  readonly end: number
}

/** Cuts a file into ranges of about `rangeBytes` at line starts, so that lanes can share it. */
export async function lineRanges(
  path: string,
  size: number,
  open: () => Promise<OpenedFile>,
  rangeBytes: number = RANGE_BYTES,
): Promise<LineRange[]> {
  if (size < 2 * rangeBytes) return [{ start: 0, end: size }]
  const file = await open()
  try {
    return await cutAtLines(path, size, file, rangeBytes)
  } finally {
    await file.close()
  }
}

async function cutAtLines(path: string, size: number, file: OpenedFile, rangeBytes: number): Promise<LineRange[]> {
  const window = Buffer.allocUnsafe(64 * 1024)
  const ranges: LineRange[] = []
  let start = 0
  while (size - start >= 2 * rangeBytes) {
    let at = start + rangeBytes - 1
    let lineEnd = -1
    while (lineEnd < 0) {
      const bytesRead = await file.read(window, 0, window.length, at)
      const found = window.subarray(0, bytesRead).indexOf(0x0a)
      if (found >= 0) lineEnd = at + found
      else if (bytesRead === 0 || at > start + rangeBytes + RECORD_BYTES_MAX) throw noLineEnd(path, start + rangeBytes)
      at += bytesRead
    }
    ranges.push({ start, end: lineEnd + 1 })
    start = lineEnd + 1
  }
  return [...ranges, { start, end: size }]
}

function noLineEnd(path: string, byte: number): MillraceError {
  return new MillraceError(
    `dividing ${path}: no line ends within ${RECORD_BYTES_MAX} bytes behind byte ${byte}; is it one record per line?`,
    { code: 'POISON', retry: 'halt', detail: { file: path, byte } },
  )
}
