import type { MessageRun } from './consumed-message.ts'
import type { BatchOptions } from './consumer-options.ts'

/** Makes batches of the messages of one partition. */
export class Gatherer {
  readonly #options: Required<BatchOptions>
  readonly #give: (batch: readonly MessageRun[]) => void
  #batch: MessageRun[] = []
  #count = 0
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: BatchOptions, give: (batch: readonly MessageRun[]) => void) {
    this.#options = { messages: 1000, bytes: 1 << 20, waitMs: 100, ...options }
    this.#give = give
  }

  add(runs: readonly MessageRun[]): void {
    for (let run of runs)
      while (run.count > 0) {
        const [part, rest] = run.split(this.#roomIn(run))
        run = rest
        this.#batch.push(part)
        this.#count += part.count
        this.#bytes += part.bytes
        if (this.#count >= this.#options.messages || this.#bytes >= this.#options.bytes) this.#complete()
      }
    if (this.#count > 0) this.#timer ??= setTimeout(() => this.#complete(), this.#options.waitMs)
  }

  /** How many messages of a run still go into the batch: the one that makes it complete is the last. */
  #roomIn(run: MessageRun): number {
    const most = Math.min(run.count, this.#options.messages - this.#count)
    const room = this.#options.bytes - this.#bytes
    let [few, many] = [1, most]
    while (few < many) {
      const middle = (few + many) >>> 1
      if (run.split(middle)[0].bytes >= room) many = middle
      else few = middle + 1
    }
    return many
  }

  #complete(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    this.#count = 0
    if (batch.length > 0) this.#give(batch)
  }
}
