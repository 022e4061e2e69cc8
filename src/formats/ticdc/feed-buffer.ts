import type { SourceTable, TableEvent, TableId } from '../../core/changes.ts'

/** One change of a feed, with the timestamp of its transaction. */
export interface FeedRow {
  readonly commitTs: bigint
  readonly table: SourceTable
  readonly isDelete: boolean
  /** The row as JSON, `__op` included, without a separator. */
  readonly text: Buffer
}

/** Something that happened to a whole table, behind all rows of its timestamp. */
export interface FeedEvent {
  readonly commitTs: bigint
  readonly table: SourceTable
  readonly event: TableEvent
}

type Entry = (FeedRow & { readonly kind: 'row' }) | (FeedEvent & { readonly kind: 'event' })

/** Changes of a message that cannot be read yet. */
interface Held {
  readonly partition: string
  readonly offset: bigint
  readonly commitTs: bigint
  readonly read: () => readonly FeedRow[] | undefined
}

/** What may be handed on: changes of one table, in their order. */
export interface SettledTable {
  readonly id: TableId
  readonly entries: readonly Entry[]
}

interface Partition {
  watermark: bigint
  next: bigint
  /** Changes that are not settled yet, with the offset of their message, in the order of the log. */
  entries: { readonly offset: bigint; readonly entry: Entry }[]
}

/**
 * Puts a feed of several partitions in order. TiCDC writes each change at least once and each partition in its own time; a
 * watermark W says that everything below W is in that partition. What lies below the lowest watermark of all partitions is
 * complete: it is sorted by timestamp, deletes before upserts (keys may change places in a transaction), and what came twice
 * is dropped. The order within a timestamp is that of the rows' bytes, so that it is the same however the log is read again.
 */
export class FeedBuffer {
  readonly #partitions = new Map<string, Partition>()
  #covered: bigint
  #held: readonly Held[] = []
  bytes = 0

  /** Everything below `covered` was handed on before. */
  constructor(partitions: ReadonlyMap<string, bigint>, covered: bigint) {
    for (const [id, next] of partitions) this.#partitions.set(id, { watermark: 0n, next, entries: [] })
    this.#covered = covered
  }

  get covered(): bigint {
    return this.#covered
  }

  /** The lowest watermark of all partitions. */
  get watermark(): bigint {
    let lowest: bigint | undefined
    for (const { watermark } of this.#partitions.values())
      if (lowest === undefined || watermark < lowest) lowest = watermark
    return lowest ?? 0n
  }

  /** Partitions that everything waits for. */
  get slowest(): string[] {
    const lowest = this.watermark
    return [...this.#partitions].filter(([, { watermark }]) => watermark <= lowest).map(([id]) => id)
  }

  add(partition: string, offset: bigint, entry: Entry): void {
    // An event is applied behind the rows of its timestamp: with them it is below what was covered.
    if (entry.commitTs < this.#covered) return
    this.#partitions.get(partition)?.entries.push({ offset, entry })
    if (entry.kind === 'row') this.bytes += entry.text.length
  }

  hold(held: Held): void {
    if (held.commitTs >= this.#covered) this.#held = [...this.#held, held]
  }

  /** After a failover older watermarks come again: what was promised before stays promised. */
  watermarked(partition: string, watermark: bigint): void {
    const found = this.#partitions.get(partition)
    if (found !== undefined && watermark > found.watermark) found.watermark = watermark
  }

  /** Everything of the partition before this offset was added. */
  readTo(partition: string, next: bigint): void {
    const found = this.#partitions.get(partition)
    if (found !== undefined) found.next = next
  }

  /** Where each partition has to be read again so that nothing that is not settled is lost. */
  offsets(): Map<string, bigint> {
    return new Map(
      [...this.#partitions].map(([id, { next, entries }]) => [
        id,
        [...entries, ...this.#held.filter(({ partition }) => partition === id)].reduce(
          (lowest, { offset }) => (offset < lowest ? offset : lowest),
          next,
        ),
      ]),
    )
  }

  /** Takes out what is complete by now. */
  settle(): SettledTable[] {
    this.#readHeld()
    const watermark = this.#held.reduce((low, { commitTs }) => (commitTs < low ? commitTs : low), this.watermark)
    if (watermark <= this.#covered) return []
    const tables = new Map<TableId, Entry[]>()
    for (const partition of this.#partitions.values()) {
      const later: Partition['entries'] = []
      for (const one of partition.entries) {
        const { entry } = one
        if (entry.commitTs >= watermark) {
          later.push(one)
          continue
        }
        if (entry.kind === 'row') this.bytes -= entry.text.length
        const entries = tables.get(entry.table.id) ?? []
        if (entries.length === 0) tables.set(entry.table.id, entries)
        entries.push(entry)
      }
      partition.entries = later
    }
    this.#covered = watermark
    return [...tables]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([id, entries]) => ({ id, entries: withoutTwins(entries.toSorted(byCommit)) }))
  }

  #readHeld(): void {
    if (this.#held.length === 0) return
    const left: Held[] = []
    for (const held of this.#held) {
      const rows = held.read()
      if (rows === undefined) left.push(held)
      for (const row of rows ?? []) this.add(held.partition, held.offset, { kind: 'row', ...row })
    }
    this.#held = left
  }
}

/** By timestamp; deletes, upserts, events; then by what they are, whatever way they came. */
function byCommit(left: Entry, right: Entry): number {
  if (left.commitTs !== right.commitTs) return left.commitTs < right.commitTs ? -1 : 1
  const rank = rankOf(left) - rankOf(right)
  if (rank !== 0 || left.kind !== 'row' || right.kind !== 'row') return rank
  return left.text.compare(right.text)
}

function rankOf(entry: Entry): number {
  if (entry.kind === 'event') return 2
  return entry.isDelete ? 0 : 1
}

function withoutTwins(entries: readonly Entry[]): Entry[] {
  return entries.filter((entry, at) => at === 0 || !isTwin(entries[at - 1], entry))
}

function isTwin(before: Entry | undefined, entry: Entry): boolean {
  if (before === undefined || before.commitTs !== entry.commitTs) return false
  if (before.kind === 'row' && entry.kind === 'row') return before.text.equals(entry.text)
  return before.kind === 'event' && entry.kind === 'event' && before.event.kind === entry.event.kind
}
