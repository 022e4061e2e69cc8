import { parentPort, workerData } from 'node:worker_threads'
import { assert, unreachable } from '../core/assert.ts'
import { errorToData } from '../core/errors.ts'
import { LaneServices } from './lane-context.ts'
import { openLaneSteps } from './lane-steps.ts'
import { Lane } from './lane.ts'
import type { FromLane, LaneData, ToLane } from './messages.ts'
import { Tap } from './tap.ts'

// The thread of one lane: builds its steps, then does what the coordinator says until it is closed.
const data = workerData as LaneData
assert(parentPort !== null, 'a lane runs in a worker thread')
const port = parentPort
const PROGRESS_MS = 200

const tell = (message: FromLane): void => port.postMessage(message)
const services = new LaneServices(data, tell)
const tap = new Tap(tell)
let attempt = 0
let lane: Lane | undefined

const fail = (failed: number, error: unknown): void =>
  tell({ kind: 'failed', attempt: failed, error: errorToData(error) })

try {
  const steps = await openLaneSteps(data, services, (error) => lane?.fail(error))
  lane = new Lane(steps, tap, tell)
  lane.failed = fail
  const progress = setInterval(() => lane?.reportProgress(), PROGRESS_MS)
  port.on('message', (message: ToLane) => {
    if (message.kind === 'close') clearInterval(progress)
    if (message.kind === 'start') attempt = message.attempt
    const current = attempt
    perform(message).catch((error: unknown) => fail(current, error))
  })
  tell({ kind: 'ready' })
} catch (error) {
  fail(attempt, error)
}

async function perform(message: ToLane): Promise<void> {
  assert(lane !== undefined, 'the lane is open')
  switch (message.kind) {
    case 'start':
      return lane.start(message)
    case 'add':
      return lane.add(message)
    case 'barrier':
      return lane.barrier(message)
    case 'halt':
      await lane.halt()
      return tell({ kind: 'halted', handed: lane.handed() })
    case 'tap':
      return tap.open(message.step, message.limit)
    case 'close':
      // The last rows are counted too.
      lane.reportProgress()
      // The database first: a running query is interrupted, and whoever waits for it lets go.
      await services.close()
      await lane.close()
      port.close()
      return
    default:
      unreachable(message)
  }
}
