import type { ConsumedMessage } from './consumed-message.ts'

/** A message was given back without being handled. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned'
}

/** Hands messages over to a loop, one at a time: one is handled when the next is asked for. */
export class Offers {
  #offered = Promise.withResolvers<ConsumedMessage | undefined>()
  #handled: { resolve(): void; reject(error: Error): void } | undefined
  #isOver = false

  /** Resolves when the loop asks for the next one. */
  offer(message: ConsumedMessage, signal: AbortSignal): Promise<void> {
    if (this.#isOver) return Promise.reject(new Abandoned())
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#handled = { resolve, reject }
    signal.addEventListener('abort', () => reject(new Abandoned()), { once: true })
    this.#offered.resolve(message)
    return promise
  }

  /** Undefined when there are no more. */
  async next(): Promise<ConsumedMessage | undefined> {
    const handled = this.#handled
    if (handled !== undefined) {
      this.#handled = undefined
      this.#offered = Promise.withResolvers()
      if (this.#isOver) this.#offered.resolve(undefined)
      handled.resolve()
    }
    return await this.#offered.promise
  }

  end(): void {
    this.#isOver = true
    this.#offered.resolve(undefined)
  }

  /** The loop was left: what it had last counts as not handled. */
  abandon(): void {
    this.end()
    this.#handled?.reject(new Abandoned())
  }
}
