import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import type { SourceContext } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { SplitAssignment } from '../core/source.ts'
import type { Plan, SourceStep } from '../plan/plan.ts'
import type { ReplayRange } from '../plan/replay-definition.ts'
import { openSource } from '../runtime/connectors.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { storeOpener } from '../storage/open-store.ts'

/** Where a replay begins. */
export type ReplayFrom =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'time'; readonly time: string }
  | { readonly kind: 'offset'; readonly offsets: ReadonlyMap<string, string> }
  | { readonly kind: 'checkpoint'; readonly checkpoint: number }

/** One partition's part of a replay, `end` exclusive. */
export interface SplitRange {
  readonly source: string
  readonly split: string
  readonly from: string
  readonly end: string
  /** Offsets in between: as many records, or fewer where records were compacted or transactions ended. */
  readonly records: number
}

export function parseFrom(text: string): ReplayFrom {
  if (text === 'earliest') return { kind: 'earliest' }
  const checkpoint = /^checkpoint:(\d+)$/.exec(text)?.[1]
  if (checkpoint !== undefined) return { kind: 'checkpoint', checkpoint: Number(checkpoint) }
  if (text.startsWith('offset:')) {
    const offsets = text.slice('offset:'.length).split(',')
    const pairs = offsets.map((pair) => /^(.+\/\d+)=(\d+)$/.exec(pair)).filter((pair) => pair !== null)
    if (pairs.length === offsets.length)
      return { kind: 'offset', offsets: new Map(pairs.map(([, split = '', offset = '']) => [split, offset])) }
  } else if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text))) return { kind: 'time', time: text }
  throw new MillraceError(
    `--from ${text} is none of: earliest, a time (2026-01-31T08:00:00Z), checkpoint:<number>, offset:<topic>/<partition>=<offset>,…`,
    { code: 'CONFIG' },
  )
}

/** What of a source will be read again: up to where the job has come, or to the end of what there is. */
export async function rangesOf(
  step: SourceStep,
  plan: Plan,
  from: ReplayFrom,
  told: { readonly begin: CheckpointEntry | undefined; readonly end: CheckpointEntry | undefined },
): Promise<readonly SplitRange[]> {
  if (step.connector !== 'kafka')
    throw new MillraceError(
      `${step.id} is a ${step.connector}: only Kafka topics can be replayed. A source that ends is read again by a pipeline of another name.`,
      { code: 'CONFIG' },
    )
  const end = told.end === undefined ? 'latest' : offsetsOf(told.end, step.id)
  const start = from.kind === 'time' ? from.time : 'earliest'
  const source = await openSource(CONNECTOR_MODULES, step.connector, { ...step.options, start, end })
  const enumerator = source.enumerator(contextOf(step, plan))
  try {
    const splits = await enumerator.discover(new Set(), true)
    const begun = new Map((told.begin?.sources[step.id] ?? []).map(({ split, at }) => [split, offsetOf(at)]))
    refuseUnknown(from, splits)
    const ranges = splits.map((split) => rangeOf(step.id, split, from, begun))
    // Says what is no longer there, or not there yet.
    await enumerator.verify(splits.map((split, at) => ({ ...split, at: { offset: ranges[at]?.from ?? '0' } })))
    return ranges
  } finally {
    await enumerator.close()
  }
}

/** As the options `start` and `end` say it. */
export function optionsOf(ranges: readonly SplitRange[]): ReplayRange {
  const by = (part: 'from' | 'end'): JsonObject => {
    const topics: Record<string, Record<string, string>> = {}
    for (const range of ranges) {
      const slash = range.split.lastIndexOf('/')
      const partitions = (topics[range.split.slice(0, slash)] ??= {})
      partitions[range.split.slice(slash + 1)] = range[part]
    }
    return topics
  }
  return { start: by('from'), end: by('end') }
}

function rangeOf(
  source: string,
  { split, at, until }: SplitAssignment,
  from: ReplayFrom,
  begun: ReadonlyMap<string, string>,
): SplitRange {
  const end = BigInt(offsetOf(until ?? {}))
  const asked = from.kind === 'offset' ? (from.offsets.get(split) ?? end) : (begun.get(split) ?? offsetOf(at))
  if (from.kind === 'offset' && BigInt(asked) > end)
    throw new MillraceError(
      `--from names offset ${asked} of ${split}: a replay ends at ${end}, where the job has come`,
      {
        code: 'CONFIG',
      },
    )
  // Where nothing is new since, there is nothing to read.
  const first = BigInt(asked) < end ? BigInt(asked) : end
  return { source, split, from: String(first), end: String(end), records: Number(end - first) }
}

function refuseUnknown(from: ReplayFrom, splits: readonly SplitAssignment[]): void {
  if (from.kind !== 'offset') return
  const known = new Set(splits.map(({ split }) => split))
  const unknown = [...from.offsets.keys()].filter((split) => !known.has(split))
  if (unknown.length === 0) return
  throw new MillraceError(`--from names ${unknown.join(', ')}; there are ${[...known].join(', ')}`, { code: 'CONFIG' })
}

function offsetsOf(entry: CheckpointEntry, source: string): JsonObject {
  return optionsOf(
    (entry.sources[source] ?? []).map(({ split, at }) => {
      return { source, split, from: offsetOf(at), end: offsetOf(at), records: 0 }
    }),
  ).end
}

function offsetOf({ offset }: JsonObject): string {
  if (typeof offset === 'string') return offset
  throw new MillraceError('the positions of this source are no offsets: it cannot be replayed', { code: 'CONFIG' })
}

function contextOf({ id }: SourceStep, { name, baseDirectory, times, s3 }: Plan): SourceContext {
  const nothing = (): void => undefined
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  return { job: name, id, baseDirectory, log, clock: systemClock, times, openStore: storeOpener(s3) }
}
