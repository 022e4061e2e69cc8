/** The time between two heartbeats, which somebody who needs to know whether we are still a member can cut short. */
export class HeartbeatPause {
  #cutShort: (() => void) | undefined
  #heard = Promise.withResolvers<void>()
  #isOver = false

  /** Resolves after the time, at the signal, or when somebody asks. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = (): void => resolve()
    const timer = setTimeout(end, ms)
    this.#cutShort = end
    signal?.addEventListener('abort', end, { once: true })
    await promise
    signal?.removeEventListener('abort', end)
    clearTimeout(timer)
    this.#cutShort = undefined
  }

  /** Resolves when the coordinator has answered next, whatever it said, or never will. */
  async ask(): Promise<void> {
    if (this.#isOver) return
    const { promise } = this.#heard
    this.#cutShort?.()
    await promise
  }

  /** The coordinator has answered. */
  heard(): void {
    const { resolve } = this.#heard
    this.#heard = Promise.withResolvers()
    resolve()
  }

  /** It will not be asked any more. */
  end(): void {
    this.#isOver = true
    this.heard()
  }
}
