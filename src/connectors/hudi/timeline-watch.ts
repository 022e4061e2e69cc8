import type { FileStore } from '../../core/file-store.ts'
import { formatInstant } from './instant.ts'
import { compareInstants, loadTimeline, Timeline } from './timeline.ts'

/**
 * The active timeline as one process knows it: read whole once, then only from its oldest open instant on, because a
 * table keeps thousands of completed ones. What others do to older instants (archiving) is not noticed; who misses an
 * instant calls `forget` and reads again.
 */
export class TimelineWatch {
  readonly #store: FileStore
  #known: Timeline | undefined

  constructor(store: FileStore) {
    this.#store = store
  }

  async read(nowMs: number): Promise<Timeline> {
    const known = this.#known
    const from = known?.oldestPending ?? known?.newest
    if (known === undefined || from === undefined) return (this.#known = await loadTimeline(this.#store))
    const tail = await loadTimeline(this.#store, commonStart(from, formatInstant(nowMs)))
    const older = known.instants.filter(({ time }) => compareInstants(time, from) < 0)
    const newer = tail.instants.filter(({ time }) => compareInstants(time, from) >= 0)
    return (this.#known = new Timeline([...older, ...newer]))
  }

  /** The next `read` reads everything. */
  forget(): void {
    this.#known = undefined
  }
}

function commonStart(a: string, b: string): string {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return a.slice(0, length)
}
