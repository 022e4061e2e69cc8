import type { Item } from '../../core/batch.ts'
import type { Clock } from '../../core/context.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import type { StripeCursor } from './stripe-cursor.ts'

/** How long an idle poll waits. */
const IDLE_MS = 20

export interface IcebergReaderOptions {
  readonly open: (split: SplitAssignment) => StripeCursor
  readonly clock: Clock
  /** Frees what the stripes share. */
  readonly close: () => Promise<void>
}

/** Reads the stripes of one lane, one table at a time. */
export class IcebergReader implements SplitReader {
  readonly #options: IcebergReaderOptions
  #cursors: StripeCursor[] = []
  #turn = 0
  /** Items of a poll that was aborted meanwhile. */
  #held: Item[] = []
  #generation = 0
  #closing: Promise<unknown> = Promise.resolve()

  constructor(options: IcebergReaderOptions) {
    this.#options = options
  }

  assign(splits: readonly SplitAssignment[]): void {
    this.#generation++
    for (const item of this.#held) if (item.kind === 'batch') item.release()
    this.#held = []
    const old = this.#cursors
    this.#closing = Promise.allSettled([this.#closing, ...old.map((cursor) => cursor.close())])
    this.#cursors = []
    this.#turn = 0
    this.add(splits)
  }

  add(splits: readonly SplitAssignment[]): void {
    for (const split of splits) this.#cursors.push(this.#options.open(split))
  }

  async poll(signal: AbortSignal): Promise<readonly Item[]> {
    if (signal.aborted) return []
    if (this.#held.length === 0) await this.#readNext(signal)
    if (this.#held.length === 0) await this.#options.clock.sleep(IDLE_MS, signal).catch(() => undefined)
    if (signal.aborted) return []
    const items = this.#held
    this.#held = []
    return items
  }

  async close(): Promise<void> {
    this.assign([])
    await this.#closing
    await this.#options.close()
  }

  /**
   * Asks each stripe once at most, beginning with the one whose turn it is. A stripe keeps its turn until it has nothing
   * more now, so that only one file is open and decoded at a time.
   */
  async #readNext(signal: AbortSignal): Promise<void> {
    const generation = this.#generation
    for (let asked = this.#cursors.length; asked > 0; asked--) {
      const at = this.#turn % this.#cursors.length
      const cursor = this.#cursors[at]
      if (cursor === undefined) return
      const item = await cursor.next(signal)
      if (generation !== this.#generation) {
        if (item?.kind === 'batch') item.release()
        return
      }
      if (item?.kind === 'split-end') {
        this.#cursors.splice(at, 1)
        await cursor.close()
      }
      if (item !== undefined) {
        this.#held.push(item)
        return
      }
      if (signal.aborted) return
      this.#turn = (at + 1) % this.#cursors.length
    }
  }
}
