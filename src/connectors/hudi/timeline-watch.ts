import type { Clock } from '../../core/context.ts'
import type { FileStore } from '../../core/file-store.ts'
import { formatInstant, type Instant } from './instant.ts'
import { compareInstants, loadTimeline, Timeline } from './timeline.ts'

/**
 * The active timeline as one process knows it, and its giver of free instants. It is read whole once, then only from its oldest open instant on, because a
 * table keeps thousands of completed ones. What others do to older instants (archiving) is not noticed; who misses an
 * instant calls `forget` and reads again.
 */
export class TimelineWatch {
  readonly #store: FileStore
  readonly #clock: Pick<Clock, 'now'>
  #known: Timeline | undefined
  /** The newest instant that was handed out; it may not be on the timeline yet. */
  #last: Instant | undefined

  constructor(store: FileStore, clock: Pick<Clock, 'now'>) {
    this.#store = store
    this.#clock = clock
  }

  /** A free instant, later than all that were handed out. */
  async next(): Promise<Instant> {
    const timeline = await this.read()
    // What was handed out while we waited counts too.
    this.#last = timeline.next(this.#clock.now(), this.#last)
    return this.#last
  }

  /** For rollbacks, which take an instant of their own. */
  get promised(): { readonly after?: Instant; readonly nowMs: number } {
    return { nowMs: this.#clock.now(), ...(this.#last === undefined ? {} : { after: this.#last }) }
  }

  async read(): Promise<Timeline> {
    const known = this.#known
    const from = known?.oldestPending ?? known?.newest
    if (known === undefined || from === undefined) return (this.#known = await loadTimeline(this.#store))
    const tail = await loadTimeline(this.#store, commonStart(from, formatInstant(this.#clock.now())))
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
