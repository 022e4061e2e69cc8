import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../core/errors.ts'
import { threadUrl } from '../core/thread-url.ts'
import { channelsOf } from './lane-channels.ts'
import { noteHeldThread } from './held-threads.ts'
import type { LanePort, OpenLane } from './lane-group.ts'
import type { FromLane, LaneData, ToLane } from './messages.ts'

/** A drain that takes longer than this is not waited for: a native query does not let go. */
const CLOSE_MS = 2000
/** A lane that is still booting cannot hear yet; on a busy machine that takes a while. */
const BOOT_MS = 30_000
/** Beyond the buffers, which live outside the heap, a lane needs little. */
const LANE_HEAP_MB = 256
/** A lane that does more than pass bytes makes objects that V8 would collect its small heap for again and again. */
const WORKING_HEAP = ['--initial-old-space-size=128', '--max-semi-space-size=16']
const PASSING: ReadonlySet<string> = new Set(['source', 'exchange', 'sink'])

/** A lane in a worker thread. */
export const openLaneThread: OpenLane = (...all) => new LaneHandle(...all)

/** The coordinator's end of a lane's thread. */
class LaneHandle implements LanePort {
  readonly #worker: Worker
  readonly #exited: Promise<void>
  #isClosing = false
  #isReady = false

  constructor(
    data: LaneData,
    receive: (lane: number, message: FromLane) => void,
    died: (error: MillraceError) => void,
  ) {
    // The flag counts for the threads that begin from here on.
    if (data.plan.steps.some(({ kind }) => !PASSING.has(kind))) WORKING_HEAP.forEach((flag) => setFlagsFromString(flag))
    this.#worker = new Worker(threadUrl('../runtime/lane-thread', import.meta.url), {
      workerData: data,
      transferList: channelsOf(data),
      name: `lane-${data.lane}`,
      resourceLimits: { maxOldGenerationSizeMb: LANE_HEAP_MB },
    })
    let cause: unknown
    this.#worker.on('message', (message: FromLane) => {
      if (message.kind === 'ready') this.#isReady = true
      receive(data.lane, message)
    })
    this.#worker.on('error', (error) => (cause = error))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        resolve()
        if (this.#isClosing) return
        died(new MillraceError(`lane ${data.lane} ended unexpectedly`, { code: 'INTERNAL', retry: 'halt', cause }))
      })
    })
  }

  send(message: ToLane): void {
    this.#worker.postMessage(message)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.send({ kind: 'close' })
    const held = Promise.withResolvers<void>()
    const giveUp = (): void => {
      noteHeldThread()
      held.resolve()
    }
    const timer = setTimeout(giveUp, this.#isReady ? CLOSE_MS : BOOT_MS)
    await Promise.race([this.#exited, held.promise])
    clearTimeout(timer)
  }
}
