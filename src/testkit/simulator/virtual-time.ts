interface Event {
  readonly at: number
  readonly order: number
  /** Undefined when it was cancelled: what it would have held on to is free. */
  act: (() => void) | undefined
  readonly owner: object | undefined
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
  after(ms: number, act: () => void, owner?: object): () => void {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#orders++, act, owner }
    this.#push(event)
    return () => {
      event.act = undefined
    }
  }

  /** Cancels everything that was planned by an owner. */
  forget(owner: object): void {
    for (const event of this.#events) if (event.owner === owner) event.act = undefined
  }

  /** Runs events until `isOver` says so, nothing is planned any more, or the clock reaches `untilMs`. */
  run(isOver: () => boolean, untilMs: number): Promise<'over' | 'idle' | 'late'> {
    return new Promise((resolve, reject) => {
      // All that follows from the last event happens before the next one: a tick that a promise's job asks for waits until
      // no promise has anything left to do. A turn of the event loop would do the same and take three times as long.
      const goOn = (): void => process.nextTick(step)
      const step = (): void => {
        try {
          const end = isOver() ? 'over' : this.#next(untilMs)
          if (end === undefined) void settled.then(goOn)
          else resolve(end)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      void settled.then(goOn)
    })
  }

  #next(untilMs: number): 'idle' | 'late' | undefined {
    for (;;) {
      const event = this.#pop()
      if (event === undefined) return 'idle'
      if (event.at > untilMs) return 'late'
      if (event.act === undefined) continue
      this.#now = event.at
      this.#before()
      event.act()
      return undefined
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
      const one = heap[left]
      const two = heap[left + 1]
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

const settled: Promise<void> = Promise.resolve()

function isEarlier(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
