import type { Batch } from '../core/batch.ts'
import { assert } from '../core/assert.ts'
import type { JsonObject } from '../core/json.ts'
import type { SplitAssignment, SplitReader } from '../core/source.ts'

/** The records of a bytes batch as text. */
export function recordsOf(batch: Batch): string[] {
  const { body } = batch
  assert(body.kind === 'bytes', 'the batch has bytes')
  const records: string[] = []
  let start = 0
  for (let index = 0; index < batch.rows; index++) {
    const end = body.ends?.[index] ?? body.buffer.indexOf(body.separator, start)
    assert(end >= start && end < body.length, 'each record ends inside the body')
    records.push(body.buffer.toString('utf8', start, end))
    assert(body.buffer[end] === body.separator, 'a separator follows each record')
    start = end + 1
  }
  assert(start === body.length, 'the body ends with its last separator')
  return records
}

/** What was read of some splits, and where each of them stands. */
export interface ReadResult {
  readonly records: string[]
  /** Assignments to go on with; splits that ended are missing. */
  readonly rest: readonly SplitAssignment[]
}

/** Polls until every split has ended, or until `batches` batches came. Batches are released at once. */
export async function readSplits(
  reader: SplitReader,
  splits: readonly SplitAssignment[],
  batches: number = Number.POSITIVE_INFINITY,
  take: (batch: Batch) => readonly string[] | Promise<readonly string[]> = recordsOf,
): Promise<ReadResult> {
  const records: string[] = []
  const at = new Map<string, JsonObject>(splits.map(({ split, at }) => [split, at]))
  const signal = AbortSignal.timeout(180_000)
  reader.assign(splits)
  for (let left = batches; at.size > 0 && left > 0;) {
    assert(!signal.aborted, 'the reader ends in time')
    for (const item of await reader.poll(signal)) {
      if (item.kind === 'split-end') at.delete(item.split)
      if (item.kind !== 'batch') continue
      records.push(...(await take(item)))
      at.set(item.split, item.next)
      item.release()
      left--
    }
  }
  const rest = splits.flatMap((split) => {
    const next = at.get(split.split)
    return next === undefined ? [] : [{ ...split, at: next }]
  })
  return { records, rest }
}
