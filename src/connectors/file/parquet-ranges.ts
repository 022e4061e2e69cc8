import { readFooter, type ByteRanges } from '../../dataplane/parquet-source/index.ts'
import type { FilePosition } from './split.ts'

/** Ranges of a file are so large, so that several lanes can share it; row groups are never cut. */
const RANGE_BYTES_MIN = 16 * 1024 * 1024
const RANGES_MAX = 64

/** Where the splits of a Parquet file begin and end, in rows; the whole file when it is small. */
export async function rowRanges(
  file: ByteRanges,
): Promise<readonly { readonly at: FilePosition; readonly until: FilePosition }[]> {
  const { footer } = await readFooter(file)
  const wanted = Math.max(RANGE_BYTES_MIN, file.size / RANGES_MAX)
  const starts = [0]
  let begun = footer.groups[0]?.start ?? 0
  for (const { start, firstRow } of footer.groups) {
    if (start - begun < wanted || file.size - start < wanted / 2) continue
    starts.push(firstRow)
    begun = start
  }
  return starts.map((row, index) => ({
    at: { offset: 0, row },
    until: { offset: file.size, row: starts[index + 1] ?? footer.rows },
  }))
}
