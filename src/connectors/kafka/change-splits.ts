import { assert } from '../../core/assert.ts'
import type { Item } from '../../core/batch.ts'
import type { TableId } from '../../core/changes.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import {
  ChangeCollector,
  openChangeFormat,
  type ChangeFormat,
  type ChangeFormatName,
  placesFromJson,
  placesToJson,
  SourceOrder,
  type LogPlace,
} from '../../formats/changes/index.ts'
import type { RecordTarget } from '../../clients/kafka/index.ts'
import { messageAt, noChange } from './message-at.ts'
import type { KafkaSourceOptions } from './options.ts'
import { placedItems, skipFromJson, skipToJson, type Skip } from './placed-items.ts'
import { faultOf, RawRecords } from './raw-records.ts'
import type { RecordConsumer } from './reader.ts'
import { openRegistry } from './registry.ts'
import { offsetToJson, type KafkaSplit } from './split.ts'
import { wantedBy } from './wanted-tables.ts'

/** How far the logs of the source were met. */
type Seen = ReadonlyMap<string, LogPlace>

const NOTHING: readonly number[] = []

/**
 * Makes changes of what was gathered from a partition. The rows of each table are handed on together, so a position may
 * stand between the tables of one piece of the log: it says from where the log is read again, and how many rows of each
 * table from there on were handed on already. What a message becomes depends on nothing else, however it is read again.
 */
export class ChangeSplits implements RecordConsumer {
  readonly #format: ChangeFormat
  readonly #formatName: string
  readonly #collector: ChangeCollector
  readonly #isOfTables: boolean
  readonly #leavesOutRepeated: boolean
  readonly #takesBroken: boolean
  readonly #skips = new Map<string, Skip>()
  readonly #seen = new Map<string, Seen>()

  constructor(options: KafkaSourceOptions, format: ChangeFormatName, context: LaneContext) {
    this.#isOfTables = context.tables === true
    this.#formatName = format
    this.#leavesOutRepeated = options.deduplicate
    this.#takesBroken = context.takesBroken === true && !this.#isOfTables
    this.#format = openChangeFormat(
      format,
      context.schema,
      options.registry === undefined ? undefined : openRegistry(options, 'AVRO'),
    )
    this.#collector = new ChangeCollector({
      separator: context.format.kind === 'bytes' ? context.format.separator : 0x0a,
      wants: wantedBy(options),
      tellsChanges: this.#isOfTables,
    })
  }

  placed({ split, at, isTraced }: SplitAssignment): void {
    if (isTraced === true) this.#collector.traceRows()
    this.#skips.set(split, skipFromJson(at))
    this.#seen.set(split, placesFromJson(at['seen']))
  }

  /** The changes of the target's records. The last item stands behind all of them. */
  async itemsOf(
    { topic, partition }: Pick<KafkaSplit, 'topic' | 'partition'>,
    split: string,
    range: { readonly from: bigint; readonly next: bigint },
    target: RecordTarget,
  ): Promise<Item[]> {
    const before = this.#skips.get(split) ?? new Map<TableId, number>()
    const seen = this.#seen.get(split) ?? new Map<string, LogPlace>()
    const collector = this.#collector
    const faults = new Map<number, string>()
    // What a message left behind that failed halfway goes only with all the others: they are read again without it.
    while (await this.#collect({ topic, partition }, target, { before, seen }, faults)) collector.clear()
    const after = collector.skip
    this.#skips.set(split, after)
    const seenAfter = collector.order?.newest ?? seen
    this.#seen.set(split, seenAfter)
    const items = placedItems(collector, {
      split,
      isOfTables: this.#isOfTables,
      skip: before,
      at: (done) => positionOf(range.from, done, seen),
      end: positionOf(range.next, after, seenAfter),
    })
    return faults.size === 0 ? items : withUnread(items, target, faults)
  }

  /** Decodes the target's records but those in `faults`. Returns true when it found more of these. */
  async #collect(
    { topic, partition }: Pick<KafkaSplit, 'topic' | 'partition'>,
    target: RecordTarget,
    { before, seen }: { readonly before: Skip; readonly seen: Seen },
    faults: Map<number, string>,
  ): Promise<boolean> {
    const collector = this.#collector
    const known = faults.size
    collector.begin(before)
    collector.order = this.#leavesOutRepeated ? new SourceOrder(seen) : undefined
    for (let row = 0; row < target.rows; row++) {
      if (faults.has(row)) continue
      collector.offset = target.offsets[row] ?? 0n
      try {
        const missing = this.#format.missing?.(messageAt(topic, target, row)) ?? NOTHING
        for (const schema of missing) await this.#format.learn?.(schema)
        // Others may have used it while we waited.
        this.#format.decode(messageAt(topic, target, row), collector)
      } catch (error) {
        const fault = faultOf(error)
        if (fault === undefined || !this.#takesBroken) collector.clear()
        if (fault === undefined || (!this.#takesBroken && error instanceof MillraceError)) throw error
        if (!this.#takesBroken)
          throw noChange(fault, this.#formatName, { topic, partition, offset: String(target.offsets[row]) })
        faults.set(row, fault)
      }
    }
    return faults.size > known
  }
}

/** What became no change goes with the last item: it stands behind all of the records. */
function withUnread(items: readonly Item[], target: RecordTarget, faults: ReadonlyMap<number, string>): Item[] {
  const raw = new RawRecords(target)
  for (const [record, reason] of faults) raw.giveUp(record, reason)
  const last = items.at(-1)
  assert(last?.kind === 'batch', 'a table with dead letters has no changes of shape')
  return [...items.slice(0, -1), { ...last, unread: raw.unread }]
}

function positionOf(offset: bigint, skip: Skip, seen: Seen): JsonObject {
  return { ...offsetToJson(offset), ...skipToJson(skip), ...(seen.size > 0 && { seen: placesToJson(seen) }) }
}
