import type { Item, SplitId } from '../core/batch.ts'
import type { Clock } from '../core/context.ts'
import type { SplitAssignment, SplitReader } from '../core/source.ts'
import type { JsonObject } from '../core/json.ts'
import type { SplitProgress } from './messages.ts'

/**
 * One source in one lane: polls the reader, hands each item on, and knows the position after the last item that was
 * handled. Those positions are what a checkpoint stores, never how far the reader has read ahead.
 */
export class SourceTask {
  readonly id: string
  readonly #reader: SplitReader
  readonly #clock: Clock
  readonly #progress = new Map<SplitId, { at: JsonObject; finished: boolean }>()
  readonly #assigned = new Map<SplitId, SplitAssignment>()
  #read = new Map<SplitId, number>()
  #behindMs: number | undefined
  #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(id: string, reader: SplitReader, clock: Clock) {
    this.id = id
    this.#reader = reader
    this.#clock = clock
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#progress.clear()
    this.#assigned.clear()
    this.#read.clear()
    this.#note(splits)
    this.#reader.assign(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    this.#note(splits)
    this.#reader.add(splits)
  }

  /** Splits that are read no further. What was polled of them and not handled must not be: see `reads`. */
  revoke(splits: readonly SplitId[]): void {
    for (const split of splits) {
      this.#progress.delete(split)
      this.#assigned.delete(split)
    }
    if (this.#assigned.size === 0) this.#behindMs = undefined
  }

  /** False for items of a split that was revoked after they were polled. */
  reads(split: SplitId): boolean {
    return this.#progress.has(split)
  }

  /** The reader, at rest, gets what is left after `revoke`, from where each split was handled to. */
  reassign(): void {
    const left = [...this.#assigned.values()].filter(({ split }) => this.#progress.get(split)?.finished === false)
    this.#reader.assign(left.map((one) => ({ ...one, at: this.#progress.get(one.split)?.at ?? one.at })))
  }

  /** Bytes that each split gave since the last call. */
  takeRead(): [SplitId, number][] {
    const read = [...this.#read]
    this.#read = new Map()
    return read
  }

  /** How old the newest records were when they were handled; absent where the source tells no times, or nothing is read. */
  get behindMs(): number | undefined {
    return this.#behindMs
  }

  /** `handle` runs one item at a time; when it throws the loop ends and `failed` is told. */
  run(handle: (item: Item) => Promise<void>, failed: (error: unknown) => void): void {
    const stop = new AbortController()
    this.#stop = stop
    this.#loop = this.#pollUntil(stop.signal, handle).catch(failed)
  }

  /** Comes to rest between two items. Items that were polled and not handled are read again after `assign`. */
  async rest(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  /** Called by the handler of an item, so that position and effect belong together. */
  advance(item: Item): void {
    const progress = this.#progress.get(item.split)
    if (progress === undefined) return
    if (item.kind === 'batch') {
      progress.at = item.next
      if (item.eventMs !== undefined) this.#behindMs = Math.max(0, this.#clock.now() - item.eventMs)
      this.#read.set(item.split, (this.#read.get(item.split) ?? 0) + item.bytes)
    }
    if (item.kind === 'schema-change') progress.at = item.next
    if (item.kind === 'idle' && item.next !== undefined) progress.at = item.next
    if (item.kind === 'split-end') {
      progress.at = item.at
      progress.finished = true
    }
  }

  positions(): SplitProgress[] {
    return [...this.#progress].map(([split, progress]) => ({ split, ...progress }))
  }

  get isDrained(): boolean {
    for (const progress of this.#progress.values()) if (!progress.finished) return false
    return true
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  #note(splits: readonly SplitAssignment[]): void {
    for (const assignment of splits) {
      this.#progress.set(assignment.split, { at: assignment.at, finished: false })
      this.#assigned.set(assignment.split, assignment)
    }
  }

  async #pollUntil(signal: AbortSignal, handle: (item: Item) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const items = await this.#reader.poll(signal)
      for (const [index, item] of items.entries()) {
        if (signal.aborted) return releaseAll(items.slice(index))
        await handle(item)
      }
    }
  }
}

function releaseAll(items: readonly Item[]): void {
  for (const item of items) if (item.kind === 'batch') item.release()
}
