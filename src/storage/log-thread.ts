import { parentPort, workerData } from 'node:worker_threads'
import { errorToData } from '../core/errors.ts'
import { LocalLog } from './local-log.ts'
import type { LogReply, LogRequest, LogThreadData } from './threaded-log.ts'

// The checkpoint log's own thread: blocking disk calls, one at a time, in the order in which they were asked for.
const { directory, nonce } = workerData as LogThreadData
let log: LocalLog | undefined

parentPort?.on('message', (request: LogRequest) => {
  parentPort?.postMessage(answer(request))
})

function answer(request: LogRequest): LogReply {
  try {
    log ??= new LocalLog(directory, nonce)
    return { id: request.id, value: perform(log, request) }
  } catch (error) {
    return { id: request.id, error: errorToData(error) }
  }
}

function perform(local: LocalLog, request: LogRequest): unknown {
  switch (request.call) {
    case 'newest':
      return local.newest()
    case 'list':
      return local.list(request.from)
    case 'read':
      return local.read(request.seq)
    case 'append':
      return local.append(request.seq, request.bytes)
    case 'remove':
      return local.remove(request.seqs)
  }
}
