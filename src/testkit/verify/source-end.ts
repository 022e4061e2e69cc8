import { millisOf } from '../../connectors/sls/enumerator.ts'
import { slsSourceOptions } from '../../connectors/sls/options.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitId } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment } from '../../core/source.ts'
import type { SourceStep } from '../../plan/plan.ts'

/** A split, and how many of its records are passed over. */
export interface SlicePart {
  readonly assignment: SplitAssignment
  readonly skip: number
}

/** Seconds; each window holds so many more records than the one before that reading all of it is affordable. */
const WINDOWS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]

/** Where the last records of Kafka partitions begin: offsets are counted back. The same number of each partition. */
export function lastByOffset(
  { id, connector }: SourceStep,
  splits: readonly SplitAssignment[],
  limit: number,
): SlicePart[] {
  const share = BigInt(Math.ceil(limit / Math.max(1, splits.length)))
  return splits.map((assignment) => {
    const [from, end] = [assignment.at['offset'], assignment.until?.['offset']]
    if (typeof from !== 'string' || typeof end !== 'string') {
      throw new MillraceError(
        `--rows-from source-end takes the last records of Kafka topics and SLS logstores; ${id} (${connector}) has no such end: ` +
          'use --rows-from source',
        { code: 'CONFIG' },
      )
    }
    const last = BigInt(end) - share
    return {
      assignment: last > BigInt(from) ? { ...assignment, at: { ...assignment.at, offset: String(last) } } : assignment,
      skip: 0,
    }
  })
}

/** Nothing counts back from the end of a shard: the options of ever longer ends of a logstore, by the time of receipt. */
export function* logstoreEnds(options: JsonObject, now: number): Iterable<JsonObject> {
  const { start } = slsSourceOptions.parse(options)
  const begin = start === 'earliest' ? 0 : start === 'latest' ? now : millisOf(start)
  for (const seconds of WINDOWS) {
    const from = now - seconds * 1000
    if (from > begin) yield { ...options, start: from }
  }
  yield options
}

/** The last of the records that were counted: as evenly of all splits as they have so many. */
export function lastByCount(
  splits: readonly SplitAssignment[],
  counts: ReadonlyMap<SplitId, number>,
  limit: number,
): SlicePart[] {
  const found = splits
    .map((assignment) => ({ assignment, count: counts.get(assignment.split) ?? 0 }))
    .sort((a, b) => a.count - b.count)
  let left = limit
  return found.map(({ assignment, count }, index) => {
    const taken = Math.min(count, Math.ceil(left / (found.length - index)))
    left -= taken
    return { assignment, skip: count - taken }
  })
}
