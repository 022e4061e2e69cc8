import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { offsetFromJson, offsetToJson, splitFromJson, splitIdOf, splitToJson, type KafkaSplit } from './split.ts'

/** All partitions of a feed with watermarks are one split: what is complete is known of all of them together. */
export const FEED = 'feed'

export type Offsets = ReadonlyMap<string, bigint>

/** Partitions as one split; `ends` only where all of them end. */
export function feedSplit(splits: readonly SplitAssignment[]): SplitAssignment {
  const offsets = new Map(splits.map(({ split, at }) => [split, offsetFromJson(at)]))
  const ends = splits.flatMap(({ split, until }) =>
    until === undefined ? [] : [[split, offsetFromJson(until)] as const],
  )
  return {
    split: FEED,
    spec: { partitions: splits.map(({ spec }) => splitToJson(splitFromJson(spec))) },
    at: { offsets: offsetsToJson(offsets), covered: '0' },
    ...(ends.length === splits.length && { until: { offsets: offsetsToJson(new Map(ends)) } }),
  }
}

/** The partitions of the feed, each from where it has to be read again. */
export function partitionSplits({ spec, at, until }: SplitAssignment): SplitAssignment[] {
  const offsets = offsetsFromJson(at)
  const ends = until === undefined ? undefined : offsetsFromJson(until)
  return partitionsOf(spec).map((partition) => {
    const split = splitIdOf(partition)
    const end = ends?.get(split)
    return {
      split,
      spec: splitToJson(partition),
      at: offsetToJson(offsets.get(split) ?? 0n),
      ...(end !== undefined && { until: offsetToJson(end) }),
    }
  })
}

export function partitionsOf({ partitions }: JsonObject): KafkaSplit[] {
  if (!Array.isArray(partitions)) throw unreadable()
  return partitions.map((one) => splitFromJson(one as JsonObject))
}

/** Everything below it was handed on. */
export function coveredOf({ covered }: JsonObject): bigint {
  if (typeof covered !== 'string') throw unreadable()
  return BigInt(covered)
}

export function offsetsFromJson({ offsets }: JsonObject): Offsets {
  if (typeof offsets !== 'object' || offsets === null || Array.isArray(offsets)) throw unreadable()
  return new Map(Object.entries(offsets).map(([split, offset]) => [split, BigInt(String(offset))]))
}

export function offsetsToJson(offsets: Offsets): JsonObject {
  return Object.fromEntries([...offsets].map(([split, offset]) => [split, String(offset)]))
}

function unreadable(): MillraceError {
  return new MillraceError('the position of a feed in Kafka cannot be read', { code: 'STORE_CORRUPT' })
}
