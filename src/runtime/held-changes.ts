/**
 * Sources of a lane that wait until the sinks follow a change of a table's shape. The item waits outside of the gate:
 * barriers pass, other sources go on. A source that comes to rest meanwhile lets the item go; it is read again.
 */
export class HeldChanges {
  readonly #held = new Map<string, PromiseWithResolvers<boolean>>()

  /** True when the source may go on behind the change, false when it came to rest before. */
  hold(source: string): Promise<boolean> {
    const held = Promise.withResolvers<boolean>()
    this.#held.set(source, held)
    return held.promise
  }

  /** The sinks follow. */
  pass(source: string): void {
    this.#settle(source, true)
  }

  /** The source comes to rest. */
  letGo(source: string): void {
    this.#settle(source, false)
  }

  #settle(source: string, isPassed: boolean): void {
    this.#held.get(source)?.resolve(isPassed)
    this.#held.delete(source)
  }
}
