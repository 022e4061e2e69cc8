import type { SplitPosition } from '../../core/batch.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import type { KafkaEnumerator } from './enumerator.ts'
import { FEED, feedSplit, offsetsFromJson, partitionsOf, partitionSplits } from './feed-split.ts'
import { offsetToJson, splitIdOf } from './split.ts'

/** Finds the partitions of a feed with watermarks, and makes one split of them. */
export class FeedEnumerator implements SplitEnumerator {
  readonly #partitions: KafkaEnumerator
  readonly discoveryIntervalMs: number | undefined
  readonly moment: string | undefined

  constructor(partitions: KafkaEnumerator) {
    this.#partitions = partitions
    this.discoveryIntervalMs = undefined
    this.moment = partitions.moment
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    for (const split of restored) {
      await this.#partitions.verify(partitionSplits(split))
      const known = new Set(partitionsOf(split.spec).map(splitIdOf))
      const [added] = await this.#partitions.discover(known, false)
      if (added !== undefined) throw newPartition(added.split)
    }
  }

  async discover(known: ReadonlySet<string>, first: boolean): Promise<readonly SplitAssignment[]> {
    if (known.has(FEED)) return []
    return [feedSplit(await this.#partitions.discover(new Set(), first))]
  }

  async lag(positions: readonly SplitPosition[]): Promise<ReadonlyMap<string, number>> {
    const [position] = positions
    if (position === undefined) return new Map()
    const offsets = [...offsetsFromJson(position.next)]
    const behind = await this.#partitions.lag(offsets.map(([split, offset]) => ({ split, next: offsetToJson(offset) })))
    return new Map([[position.split, [...behind.values()].reduce((sum, one) => sum + one, 0)]])
  }

  async acknowledge(): Promise<void> {}

  close(): Promise<void> {
    return this.#partitions.close()
  }
}

/** Keys change their partition then, and with that their order; and watermarks say nothing about what nobody reads. */
export function newPartition(split: string): MillraceError {
  return new MillraceError(
    `the feed got a new partition, ${split}: the order of changes is lost. Begin anew with another topic, or with a pipeline of another name`,
    { code: 'POSITION_LOST', detail: { split } },
  )
}
