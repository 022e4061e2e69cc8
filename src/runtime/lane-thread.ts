import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../core/assert.ts'
import { LaneServices } from './lane-context.ts'
import { LaneDesk } from './lane-desk.ts'
import type { FromLane, LaneData, ToLane } from './messages.ts'

// The thread of one lane: builds its steps, then does what the coordinator says until it is closed.
const data = workerData as LaneData
assert(parentPort !== null, 'a lane runs in a worker thread')
const port = parentPort
const PROGRESS_MS = 200

const tell = (message: FromLane): void => port.postMessage(message)
const desk = new LaneDesk(new LaneServices(data, tell), tell)
await desk.open(data)
const progress = setInterval(() => desk.reportProgress(), PROGRESS_MS)
port.on('message', (message: ToLane) => {
  if (message.kind === 'close') clearInterval(progress)
  void desk.hear(message).then(() => {
    if (message.kind === 'close') port.close()
  })
})
