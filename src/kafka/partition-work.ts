import { OffsetTracker } from './offset-tracker.ts'
import { WorkLane } from './work-pool.ts'

/** One partition that this consumer has now: where reading and handling stand. */
export class PartitionWork {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  readonly tracker: OffsetTracker
  /** Where fetching goes on. */
  fetchAt: bigint
  /** What the group has stored. */
  committed: bigint
  /** End of what can be read, as the broker last said. */
  endOffset = 0n
  readonly #lanes = new Map<string, WorkLane>()
  readonly #stopping = new AbortController()
  #running = 0
  #idle: (() => void) | undefined

  constructor(at: { readonly topic: string; readonly partition: number; readonly topicId: string }, position: bigint) {
    this.topic = at.topic
    this.partition = at.partition
    this.topicId = at.topicId
    this.tracker = new OffsetTracker(position)
    this.fetchAt = position
    this.committed = position
  }

  /** No more of its messages are to be begun. */
  isStopped = false

  /** Aborted when work that has begun should end at once: the partition is taken away. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  lane(key: string): WorkLane {
    let lane = this.#lanes.get(key)
    if (lane === undefined) this.#lanes.set(key, (lane = new WorkLane()))
    return lane
  }

  /** Runs a piece of work, unless the partition is given up. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.isStopped) return
    this.#running++
    try {
      await work()
    } finally {
      this.#running--
      if (this.#running === 0) this.#idle?.()
    }
  }

  /** Begins nothing more, and waits for what has begun; after the deadline (milliseconds) that is abandoned. */
  async end(deadlineMs: number): Promise<void> {
    this.isStopped = true
    if (this.#running === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    const timer = setTimeout(() => {
      this.#stopping.abort()
      resolve()
    }, deadlineMs)
    await promise
    clearTimeout(timer)
  }

  /** Abandons everything at once. */
  abandon(): void {
    this.isStopped = true
    this.#stopping.abort()
  }
}

export function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`
}
