import type { ConsumedMessage } from './consumed-message.ts'
import type { BatchOptions } from './consumer-options.ts'

/** Makes batches of the messages of one partition. */
export class Gatherer {
  readonly #options: Required<BatchOptions>
  readonly #give: (batch: readonly ConsumedMessage[]) => void
  #batch: ConsumedMessage[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: BatchOptions, give: (batch: readonly ConsumedMessage[]) => void) {
    this.#options = { messages: 1000, bytes: 1 << 20, waitMs: 100, ...options }
    this.#give = give
  }

  add(messages: readonly ConsumedMessage[]): void {
    const { messages: countMax, bytes: bytesMax, waitMs } = this.#options
    for (const message of messages) {
      this.#batch.push(message)
      this.#bytes += message.bytes
      if (this.#batch.length >= countMax || this.#bytes >= bytesMax) this.#complete()
    }
    if (this.#batch.length > 0) this.#timer ??= setTimeout(() => this.#complete(), waitMs)
  }

  #complete(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    if (batch.length > 0) this.#give(batch)
  }
}
