/** Work that has to be done in order. */
export class WorkLane {
  readonly queue: (() => Promise<void>)[] = []
  isRunning = false
}

/** So many in a row before another lane gets its turn. */
const TURN = 64

/** Runs the work of many lanes: each lane one after the other, and at most so many lanes at the same time. */
export class WorkPool {
  readonly #concurrency: number
  readonly #failed: (error: unknown) => void
  readonly #ready: WorkLane[] = []
  #running = 0

  constructor(concurrency: number, failed: (error: unknown) => void) {
    this.#concurrency = concurrency
    this.#failed = failed
  }

  add(lane: WorkLane, work: () => Promise<void>): void {
    lane.queue.push(work)
    if (lane.isRunning || lane.queue.length > 1) return
    this.#ready.push(lane)
    this.#pump()
  }

  #pump(): void {
    while (this.#running < this.#concurrency) {
      const lane = this.#ready.shift()
      if (lane === undefined) return
      this.#running++
      lane.isRunning = true
      void this.#run(lane)
    }
  }

  async #run(lane: WorkLane): Promise<void> {
    for (let turn = 0; turn < TURN; turn++) {
      const work = lane.queue[0]
      if (work === undefined) break
      try {
        await work()
      } catch (error) {
        this.#failed(error)
      }
      lane.queue.shift()
    }
    lane.isRunning = false
    this.#running--
    if (lane.queue.length > 0) this.#ready.push(lane)
    this.#pump()
  }
}
