import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { errorFromData, MillraceError, type ErrorData } from '../core/errors.ts'
import { threadUrl } from '../core/thread-url.ts'
import type { CheckpointLog } from './checkpoint-log.ts'

export interface LogThreadData {
  readonly directory: string
  readonly nonce: string
}

export type LogRequest = { readonly id: number } & (
  | { readonly call: 'newest' }
  | { readonly call: 'list'; readonly from: number }
  | { readonly call: 'read'; readonly seq: number }
  | { readonly call: 'append'; readonly seq: number; readonly bytes: Uint8Array }
  | { readonly call: 'remove'; readonly seqs: readonly number[] }
)
type LogCall = LogRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never
export type LogReply = { readonly id: number; readonly value?: unknown; readonly error?: ErrorData }

/** The local checkpoint log behind a thread. `nonce` is this process's identity. */
export function openLocalLog(directory: string, nonce: string): CheckpointLog {
  const workerData: LogThreadData = { directory, nonce }
  const worker = new Worker(threadUrl('../storage/log-thread', import.meta.url), {
    workerData,
    name: 'checkpoint-log',
  })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let nextId = 0
  let dead: MillraceError | undefined

  worker.on('message', (reply: LogReply) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.error === undefined) call?.resolve(reply.value)
    else call?.reject(errorFromData(reply.error))
  })
  worker.on('error', (cause) => fail(cause))
  worker.on('exit', () => fail(undefined))

  function fail(cause: unknown): void {
    dead ??= new MillraceError('the thread of the checkpoint log ended', { code: 'STORE_IO', cause })
    for (const call of waiting.values()) call.reject(dead)
    waiting.clear()
  }

  function ask<T>(call: LogCall): Promise<T> {
    if (dead !== undefined) return Promise.reject(dead)
    const id = nextId++
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve: (value) => resolve(value as T), reject })
      worker.postMessage({ id, ...call })
    })
  }

  return {
    address: directory,
    newest: () => ask({ call: 'newest' }),
    list: (from) => ask({ call: 'list', from }),
    read: (seq) => ask({ call: 'read', seq }),
    append: (seq, bytes) => ask({ call: 'append', seq, bytes }),
    remove: (seqs) => ask({ call: 'remove', seqs }),
    close: async () => {
      if (dead !== undefined) return
      const exited = once(worker, 'exit')
      await worker.terminate()
      await exited.catch(() => undefined)
    },
  }
}
