import type { SourceTable } from '../core/changes.ts'

/**
 * Sources of a lane that wait until the sinks follow a change of a table's shape. The item waits outside of the gate:
 * barriers pass, other sources go on. A source that comes to rest meanwhile lets the item go; it is read again.
 */
export class HeldChanges {
  readonly #held = new Map<string, PromiseWithResolvers<boolean>>()

  /** Shapes that the sinks were told of. */
  readonly #opened = new Set<string>()
  /** The same by what readers hand out again and again. */
  readonly #known = new WeakSet<SourceTable>()

  /**
   * False for a shape that the sinks have not heard of: a table may have changed between the moment that its source named
   * its tables and the moment that its reader looked.
   */
  isOpened(source: string, table: SourceTable): boolean {
    if (this.#known.has(table)) return true
    const isOpened = this.#opened.has(shapeOf(source, table))
    if (isOpened) this.#known.add(table)
    return isOpened
  }

  opened(source: string, table: SourceTable): void {
    this.#opened.add(shapeOf(source, table))
  }

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

function shapeOf(source: string, { id, columns }: SourceTable): string {
  return JSON.stringify([source, id, columns.map(({ name }) => name)])
}
