import type { Batch, Item } from '../../core/batch.ts'

/** Items that were read ahead, bounded in bytes: whoever adds beyond the bound is asked to wait. */
export class ItemQueue {
  readonly #bytesMax: number
  #items: Item[] = []
  #bytes = 0
  #room: (() => void)[] = []
  #arrival: (() => void) | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes an item in. The promise, where there is one, is fulfilled as soon as there is room for more. */
  add(item: Item): Promise<void> | undefined {
    this.#items.push(item)
    if (item.kind === 'batch') this.#bytes += item.bytes
    this.#arrival?.()
    return this.hasRoom()
  }

  /** Nothing when there is room now. */
  hasRoom(): Promise<void> | undefined {
    if (this.#bytes < this.#bytesMax) return undefined
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /** The oldest item. */
  take(): Item | undefined {
    const item = this.#items.shift()
    if (item?.kind === 'batch') this.#leave(item)
    return item
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }

  /** Is called when something arrives, once. */
  onArrival(action: (() => void) | undefined): void {
    this.#arrival = action
  }

  /** Throws everything away. */
  clear(): void {
    for (const item of this.#items) if (item.kind === 'batch') item.release()
    this.#items = []
    this.#bytes = 0
    this.#wake()
  }

  #leave({ bytes }: Batch): void {
    this.#bytes -= bytes
    if (this.#bytes < this.#bytesMax) this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#room.splice(0)) resolve()
  }
}
