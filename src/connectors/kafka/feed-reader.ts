import type { Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { ChangeCollector } from '../../formats/changes/index.ts'
import type { FeedFormatName } from '../../formats/changes/names.ts'
import { FeedBuffer, openFeedFormat, type FeedFormat } from '../../formats/ticdc/index.ts'
import type { KafkaClient, RecordTarget } from '../../clients/kafka/index.ts'
import { newPartition } from './feed-enumerator.ts'
import { coveredOf, FEED, offsetsFromJson, offsetsToJson, partitionSplits, type Offsets } from './feed-split.ts'
import { messageAt, noChange } from './message-at.ts'
import type { KafkaSourceOptions } from './options.ts'
import { placedItems, skipFromJson, skipToJson, type Skip } from './placed-items.ts'
import { faultOf } from './raw-records.ts'
import { KafkaReader, type RecordConsumer } from './reader.ts'
import { splitIdOf, type KafkaSplit } from './split.ts'
import { wantedBy } from './wanted-tables.ts'

/** Above this, only the partitions that the others wait for are read. */
const BUFFER_BYTES = 192 * 1024 * 1024
const BUFFER_BYTES_MAX = 4 * BUFFER_BYTES

/**
 * Reads a feed with watermarks: all partitions at once, into a buffer that gives out what is complete. A position says how
 * far everything was handed on, and from where each partition has to be read again for what was not.
 */
export class FeedReader implements SplitReader, RecordConsumer {
  readonly #name: FeedFormatName
  readonly #format: FeedFormat
  readonly #reader: KafkaReader
  readonly #collector: ChangeCollector
  readonly #isOfTables: boolean
  readonly #takesBroken: boolean
  readonly #client: KafkaClient
  readonly #options: KafkaSourceOptions
  readonly #clock: LaneContext['clock']
  #lookedAt: number
  #assigned: readonly SplitAssignment[] = []
  /** Where the partitions are read next. */
  readonly #next = new Map<string, SplitAssignment>()
  readonly #open = new Set<string>()
  #buffer = new FeedBuffer(new Map(), 0n)
  /** Of the position that was handed out last. */
  #offsets: Offsets = new Map()
  #skip: Skip = new Map()
  #isNarrowed = false
  #isEnded = true

  constructor(options: KafkaSourceOptions, name: FeedFormatName, client: KafkaClient, context: LaneContext) {
    this.#name = name
    this.#format = openFeedFormat(name)
    this.#options = options
    this.#client = client
    this.#clock = context.clock
    this.#takesBroken = context.takesBroken === true
    this.#lookedAt = context.clock.now()
    this.#isOfTables = context.tables === true
    this.#reader = new KafkaReader(options, client, context, this)
    this.#collector = new ChangeCollector({
      separator: context.format.kind === 'bytes' ? context.format.separator : 0x0a,
      wants: wantedBy(options),
      tellsChanges: this.#isOfTables,
    })
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#assigned = splits
    this.#next.clear()
    this.#open.clear()
    this.#isNarrowed = false
    const [feed] = splits
    this.#isEnded = feed === undefined
    if (feed?.isTraced === true) this.#collector.traceRows()
    if (feed !== undefined) {
      this.#offsets = offsetsFromJson(feed.at)
      this.#skip = skipFromJson(feed.at)
      this.#buffer = new FeedBuffer(this.#offsets, coveredOf(feed.at))
      for (const partition of partitionSplits(feed)) {
        this.#next.set(partition.split, partition)
        this.#open.add(partition.split)
      }
    }
    this.#reader.assign([...this.#next.values()])
  }

  add(splits: readonly SplitAssignment[]): void {
    if (splits.length > 0) this.assign([...this.#assigned, ...splits])
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    const before = this.#buffer.covered
    await this.#lookForPartitions()
    for (const item of await this.#reader.poll(signal)) if (item.kind === 'split-end') this.#open.delete(item.split)
    this.#keepBounded()
    const items = this.#settledItems(before)
    if (this.#open.size > 0 || this.#isEnded) return items
    // What no watermark has covered by then is left for whoever reads on.
    this.#isEnded = true
    return [
      ...items,
      { kind: 'split-end', split: FEED, at: this.#position(this.#offsets, this.#buffer.covered, this.#skip) },
    ]
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  /** Records of one partition: into the buffer. */
  itemsOf(
    place: Pick<KafkaSplit, 'topic' | 'partition'>,
    _split: string,
    range: { readonly next: bigint },
    target: RecordTarget,
  ): Item[] {
    const id = splitIdOf(place)
    for (let row = 0; row < target.rows; row++) {
      const offset = target.offsets[row] ?? 0n
      const named = { ...place, offset: String(offset) }
      this.#understood(named, () =>
        this.#format.decode(messageAt(place.topic, target, row), {
          wants: (table) => this.#collector.wants(table),
          row: (found) => this.#buffer.add(id, offset, { kind: 'row', ...found }),
          event: (found) => this.#buffer.add(id, offset, { kind: 'event', ...found }),
          hold: (commitTs, read) => {
            const later = (): ReturnType<typeof read> => this.#understood(named, read)
            this.#buffer.hold({ partition: id, offset, commitTs, read: later })
          },
          watermark: (watermark) => this.#buffer.watermarked(id, watermark),
        }),
      )
    }
    this.#buffer.readTo(id, range.next)
    const split = this.#next.get(id)
    if (split !== undefined) this.#next.set(id, { ...split, at: { offset: String(range.next) } })
    return []
  }

  /** A message is read at once, or when the shape of its table has come: what is wrong with it is told with its place. */
  #understood<T>(place: Parameters<typeof noChange>[2], read: () => T): T {
    try {
      return read()
    } catch (error) {
      const fault = faultOf(error)
      if (fault === undefined || error instanceof MillraceError) throw error
      const whole = this.#takesBroken
        ? '; it is not put aside as a dead letter, because without it no checkpoint is a consistent point of the upstream cluster'
        : ''
      throw noChange(`${fault}${whole}`, this.#name, place)
    }
  }

  /** Changes that are complete by now, table by table. */
  #settledItems(before: bigint): Item[] {
    const settled = this.#buffer.settle()
    if (this.#buffer.covered === before) return []
    const collector = this.#collector
    collector.begin(this.#skip)
    for (const { entries } of settled) {
      for (const entry of entries) {
        if (entry.kind === 'row') collector.whole(entry.table, entry.text)
        else collector.event(entry.table, entry.event)
      }
    }
    const [offsets, skip] = [this.#offsets, this.#skip]
    this.#offsets = this.#buffer.offsets()
    this.#skip = collector.skip
    return placedItems(collector, {
      split: FEED,
      isOfTables: this.#isOfTables,
      skip,
      at: (done) => this.#position(offsets, before, done),
      end: this.#position(this.#offsets, this.#buffer.covered, this.#skip),
    })
  }

  #position(offsets: Offsets, covered: bigint, skip: Skip): JsonObject {
    return { offsets: offsetsToJson(offsets), covered: String(covered), ...skipToJson(skip) }
  }

  /** Partitions that are ahead rest while too much waits for the others. */
  #keepBounded(): void {
    const { bytes } = this.#buffer
    if (bytes > BUFFER_BYTES_MAX) {
      throw new MillraceError(
        `${bytes} bytes of changes wait for the watermark of ${this.#buffer.slowest.join(', ')}: is the changefeed ` +
          'stopped, or was one of the partitions made after it?',
        { code: 'UNAVAILABLE', retry: 'restart', detail: { partitions: this.#buffer.slowest } },
      )
    }
    const isFull = bytes > (this.#isNarrowed ? BUFFER_BYTES / 2 : BUFFER_BYTES)
    if (isFull === this.#isNarrowed) return
    this.#isNarrowed = isFull
    const slowest = new Set(this.#buffer.slowest)
    const wanted = [...this.#next.values()].filter(({ split }) => this.#open.has(split))
    this.#reader.assign(this.#isNarrowed ? wanted.filter(({ split }) => slowest.has(split)) : wanted)
  }

  async #lookForPartitions(): Promise<void> {
    const now = this.#clock.now()
    const { discoveryInterval, topics, topicPattern, end } = this.#options
    if (end !== 'never' || now - this.#lookedAt < discoveryInterval || this.#isEnded) return
    this.#lookedAt = now
    const found =
      topics === undefined ? await this.#client.topicsMatching(topicPattern ?? '') : await this.#client.topics(topics)
    for (const { name, partitions } of found) {
      for (const { partition } of partitions) {
        const split = splitIdOf({ topic: name, partition })
        if (!this.#next.has(split)) throw newPartition(split)
      }
    }
  }
}
