import type { Item, SplitId } from '../core/batch.ts'
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
  readonly #progress = new Map<SplitId, { at: JsonObject; finished: boolean }>()
  #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(id: string, reader: SplitReader) {
    this.id = id
    this.#reader = reader
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#progress.clear()
    this.#note(splits)
    this.#reader.assign(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    this.#note(splits)
    this.#reader.add(splits)
  }

  /** `handle` runs one item at a time; when it throws the loop ends and `failed` is told. */
  run(handle: (item: Item) => Promise<void>, failed: (error: unknown) => void): void {
    const stop = new AbortController()
    this.#stop = stop
    this.#loop = this.#read(stop.signal, handle).catch(failed)
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
    if (item.kind === 'batch') progress.at = item.next
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
    for (const { split, at } of splits) this.#progress.set(split, { at, finished: false })
  }

  async #read(signal: AbortSignal, handle: (item: Item) => Promise<void>): Promise<void> {
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
