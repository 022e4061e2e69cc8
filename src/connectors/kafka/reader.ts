import { assert } from '../../core/assert.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { LaneContext } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { isChangeFormat } from '../../formats/changes/index.ts'
import {
  BatchCursor,
  FetchSession,
  LINE_FEED,
  RecordTarget,
  type FetchedPartition,
  type FetchedResponse,
  type KafkaClient,
  type ValueTarget,
} from '../../clients/kafka/index.ts'
import { ChangeSplits } from './change-splits.ts'
import { batchBytes, fetchOptionsOf } from './connect.ts'
import { DecodedRecords } from './decoded-records.ts'
import { metadataOf } from './metadata.ts'
import type { KafkaSourceOptions } from './options.ts'
import { fetchPosition, offsetFromJson, offsetToJson, splitIdOf, type KafkaSplit } from './split.ts'
import { TargetPool, type TargetOptions } from './target-pool.ts'

/** Makes items of a partition's records. */
export interface RecordConsumer {
  /** The positions that reading begins at. */
  placed?(split: SplitAssignment): void
  /** The target is used again afterwards. */
  itemsOf(
    place: Pick<KafkaSplit, 'topic' | 'partition'>,
    split: string,
    range: { readonly from: bigint; readonly next: bigint },
    target: RecordTarget,
  ): Item[] | Promise<Item[]>
}

interface OpenSplit {
  readonly assignment: SplitAssignment
  readonly until: bigint | undefined
  next: bigint
}

/**
 * Reads partitions of one lane: record batches are decoded in place and their values copied, one pass, into recycled
 * buffers. The next fetch is on its way while a batch is handled.
 */
export class KafkaReader implements SplitReader {
  readonly #client: KafkaClient
  readonly #session: FetchSession
  readonly #targets: TargetOptions
  readonly #changes: RecordConsumer | undefined
  #metadata: readonly string[]
  #pool: TargetPool
  readonly #cursor = new BatchCursor()
  readonly #splits = new Map<string, OpenSplit>()
  #response: FetchedResponse | undefined
  #waiting: FetchedPartition[] = []
  /** The partition whose bytes the cursor holds. */
  #current: FetchedPartition | undefined

  /** `consumer` takes the records; without one they go on as they are, or as the changes that they tell of. */
  constructor(options: KafkaSourceOptions, client: KafkaClient, context: LaneContext, consumer?: RecordConsumer) {
    this.#client = client
    const bytes = batchBytes(context.isForSql === true)
    this.#session = new FetchSession(client, fetchOptionsOf(options, bytes))
    this.#metadata = context.metadata
    const { format } = options
    this.#changes = consumer ?? consumerOf(options, context)
    this.#targets = {
      bytes,
      separator: this.#changes === undefined ? separatorOf(context) : separatorFor(format),
      isJson: format !== 'csv' && format !== 'raw',
      withKeys: context.metadata.includes('_key') || this.#changes !== undefined,
      withHeaders: context.metadata.includes('_headers'),
      withMetadata: context.metadata.length > 0 || this.#changes !== undefined,
      keepsNulls: this.#changes !== undefined,
    }
    this.#pool = new TargetPool(this.#targets)
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#splits.clear()
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    if (splits.some((split) => split.isTraced === true) && !this.#metadata.includes('_offset')) this.#keepOffsets()
    for (const assignment of splits) {
      const until = assignment.until === undefined ? undefined : offsetFromJson(assignment.until)
      this.#splits.set(assignment.split, { assignment, until, next: offsetFromJson(assignment.at) })
      this.#changes?.placed?.(assignment)
    }
    this.#restartSession()
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    const ended = this.#takeEnded()
    if (ended.length > 0) return ended
    if (this.#current === undefined && !(await this.#loadNext(signal))) return []
    return [...(await this.#gather()), ...this.#takeEnded()]
  }

  async close(): Promise<void> {
    this.#dropResponse()
    await this.#session.close()
    await this.#client.close()
  }

  /** Offsets of records beside each other may have gaps, so a record's place is known only with its offset. */
  #keepOffsets(): void {
    this.#metadata = [...this.#metadata, '_offset']
    this.#pool = new TargetPool({ ...this.#targets, withMetadata: true })
  }

  /** Makes the next partition's bytes current; false when there are none yet. */
  async #loadNext(signal: AbortSignal): Promise<boolean> {
    if (this.#waiting.length === 0) {
      this.#dropResponse()
      if (this.#splits.size === 0) await pause(signal)
      const response = await this.#session.poll(signal)
      if (response === undefined) return false
      this.#response = response
      this.#waiting = [...response.partitions]
    }
    const partition = this.#waiting.shift()
    const split = partition === undefined ? undefined : this.#splits.get(splitIdOf(partition))
    if (partition === undefined || split === undefined) return false
    this.#current = partition
    this.#cursor.load(partition, split.until)
    return true
  }

  async #gather(): Promise<readonly Item[]> {
    const partition = this.#current
    const split = partition === undefined ? undefined : this.#splits.get(splitIdOf(partition))
    if (partition === undefined || split === undefined) return []
    const target = this.#fill()
    const from = split.next
    // Markers and rolled-back records leave gaps: the position moves on also where no record was gathered.
    split.next = this.#cursor.offset > from ? this.#cursor.offset : from
    if (this.#cursor.isDone) this.#current = undefined
    if (target.rows === 0) {
      this.#pool.give(target)
      return []
    }
    const { newestMs } = this.#cursor
    const time = newestMs === undefined ? {} : { eventMs: newestMs }
    if (this.#changes === undefined) return [{ ...this.#batchOf(split, partition.partition, from, target), ...time }]
    assert(target instanceof RecordTarget, 'changes are made of whole records')
    const items = await this.#changes.itemsOf(partition, split.assignment.split, { from, next: split.next }, target)
    this.#pool.give(target)
    return items.map((item) => (item.kind === 'batch' ? { ...item, ...time } : item))
  }

  #fill(): ValueTarget {
    const usual = this.#pool.take()
    if (this.#gatherInto(usual) > 0 || this.#cursor.isDone) return usual
    this.#pool.give(usual)
    const large = this.#pool.make(this.#cursor.nextValueBytes() + 1)
    this.#gatherInto(large)
    return large
  }

  #gatherInto(target: ValueTarget): number {
    return target instanceof RecordTarget ? this.#cursor.gatherRecords(target) : this.#cursor.gatherValues(target)
  }

  #batchOf(split: OpenSplit, partition: number, from: bigint, target: ValueTarget): Batch {
    const pool = this.#pool
    const metadata = target instanceof RecordTarget ? metadataOf(target, partition, this.#metadata) : undefined
    return {
      kind: 'batch',
      split: split.assignment.split,
      from: offsetToJson(from),
      next: offsetToJson(split.next),
      body: {
        kind: 'bytes',
        buffer: target.buffer,
        length: target.length,
        separator: target.separator,
        ends: target.ends,
        ...(metadata === undefined ? {} : { metadata }),
      },
      rows: target.rows,
      bytes: target.length,
      release: () => pool.give(target),
    }
  }

  /** Splits that have reached their end; they are read no further. */
  #takeEnded(): Item[] {
    const items: Item[] = []
    for (const [id, split] of this.#splits) {
      if (split.until === undefined || split.next < split.until) continue
      this.#splits.delete(id)
      items.push({ kind: 'split-end', split: id, at: offsetToJson(split.next) })
    }
    if (items.length > 0) this.#restartSession()
    return items
  }

  /** Fetching goes on from what was handed out: answers on their way are dropped and asked for again. */
  #restartSession(): void {
    this.#dropResponse()
    this.#session.assign(
      [...this.#splits.values()].map(({ assignment, next }) => ({
        ...fetchPosition(assignment.spec, assignment.at),
        offset: next,
      })),
    )
  }

  #dropResponse(): void {
    this.#response?.release()
    this.#response = undefined
    this.#waiting = []
    this.#current = undefined
  }
}

/** A lane without partitions of this source waits for its assignment or its end. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(done, 20)
    signal.addEventListener('abort', done, { once: true })
  })
}

function separatorOf({ format }: LaneContext): number {
  return format.kind === 'bytes' ? format.separator : LINE_FEED
}

function consumerOf(options: KafkaSourceOptions, context: LaneContext): RecordConsumer | undefined {
  const { format } = options
  if (format === 'avro' || format === 'protobuf') return new DecodedRecords(options, context)
  return isChangeFormat(format) ? new ChangeSplits(options, format, context) : undefined
}

/** Changes are made of lines, so JSON loses its line feeds; messages that are no JSON are left as they are. */
function separatorFor(format: KafkaSourceOptions['format']): number {
  return format === 'ticdc-open-protocol' || format === 'protobuf' || format.endsWith('avro') ? 0 : LINE_FEED
}
