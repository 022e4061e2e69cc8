import type { Item } from '../../core/batch.ts'
import type { Clock } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { FollowedFile } from './followed-file.ts'
import type { SplitCursor } from './split-cursor.ts'

/** How long an idle poll waits. */
const IDLE_MS = 20

export interface FileReaderOptions {
  readonly open: (split: SplitAssignment) => SplitCursor
  readonly follow: boolean
  readonly clock: Clock
  /** Frees what the cursors share. */
  readonly close?: () => Promise<void>
}

/**
 * Reads the splits of one lane. Bounded splits are read one after the other, so that one file is open at a time;
 * followed files take turns.
 */
export class FileReader implements SplitReader {
  readonly #options: FileReaderOptions
  #cursors: FollowedFile[] = []
  #turn = 0
  /** Items of a poll that was aborted meanwhile. */
  #held: Item[] = []
  #generation = 0

  constructor(options: FileReaderOptions) {
    this.#options = options
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#generation++
    for (const item of this.#held) if (item.kind === 'batch') item.release()
    this.#held = []
    for (const cursor of this.#cursors) void cursor.close().catch(() => undefined)
    this.#cursors = []
    this.#turn = 0
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const split of splits) {
      this.#cursors.push(new FollowedFile(this.#options.open(split), this.#options.follow))
    }
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    if (this.#held.length === 0) await this.#readNext()
    if (this.#held.length === 0) await this.#options.clock.sleep(IDLE_MS, signal).catch(() => undefined)
    if (signal.aborted) return []
    const items = this.#held
    this.#held = []
    return items
  }

  async close(): Promise<void> {
    const cursors = this.#cursors
    this.assign([])
    await Promise.all(cursors.map((cursor) => cursor.close()))
    await this.#options.close?.()
  }

  /** Asks each file once at most, beginning with the one whose turn it is. */
  async #readNext(): Promise<void> {
    const generation = this.#generation
    for (let asked = this.#cursors.length; asked > 0; asked--) {
      const cursor = this.#cursors[this.#turn % this.#cursors.length]
      if (cursor === undefined) return
      const item = await cursor.next(this.#options.clock.now(), this.#cursors.length)
      if (generation !== this.#generation) {
        if (item?.kind === 'batch') item.release()
        return
      }
      if (item?.kind === 'split-end') {
        this.#cursors.splice(this.#turn % this.#cursors.length, 1)
        await cursor.close()
      } else if (this.#options.follow) {
        this.#turn = (this.#turn + 1) % this.#cursors.length
      }
      if (item !== undefined) {
        this.#held.push(item)
        return
      }
    }
  }
}
