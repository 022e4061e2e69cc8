interface Event {
  readonly at: number
  readonly order: number
  readonly act: () => void
  isCancelled: boolean
}

/**
 * One queue of events under a virtual clock. Everything between two events is microtasks of the code under test, so a
 * schedule depends on nothing but the order of the queue.
 */
export class VirtualTime {
  readonly #before: () => void
  #now = 0
  #events: Event[] = []
  #orders = 0

  /** `before` is called when an event is about to run. */
  constructor(before: () => void) {
    this.#before = before
  }

  /** Milliseconds since the schedule began. */
  get now(): number {
    return this.#now
  }

  /** Calls `act` after `ms`; events of one moment run in the order in which they were planned. */
  after(ms: number, act: () => void): () => void {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#orders++, act, isCancelled: false }
    this.#push(event)
    return () => {
      event.isCancelled = true
    }
  }

  /** Runs events until `isOver` says so, nothing is planned any more, or the clock reaches `untilMs`. */
  async run(isOver: () => boolean, untilMs: number): Promise<'over' | 'idle' | 'late'> {
    for (;;) {
      // All that follows from the last event happens before the next one: ticks wait until no promise has anything left to
      // do. A turn of the event loop would do the same and take three times as long.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      if (isOver()) return 'over'
      const event = this.#pop()
      if (event === undefined) return 'idle'
      if (event.at > untilMs) return 'late'
      if (event.isCancelled) continue
      this.#now = event.at
      this.#before()
      event.act()
    }
  }

  #push(event: Event): void {
    const heap = this.#events
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isEarlier(parent, event)) break
      heap[at] = parent
      at = above
    }
    heap[at] = event
  }

  #pop(): Event | undefined {
    const heap = this.#events
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, two] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const child = two !== undefined && isEarlier(two, one) ? left + 1 : left
      const lesser = child === left ? one : two
      if (lesser === undefined || isEarlier(last, lesser)) break
      heap[at] = lesser
      at = child
    }
    heap[at] = last
    return first
  }
}

function isEarlier(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
