import { MillraceError } from '../../core/errors.ts'
import type { Origin } from './audit.ts'
import type { ModelServer } from './model-server.ts'
import type { OpenWork } from './model-writer.ts'
import { thisProcess } from './process.ts'

/** Ways to the model server of the world that the calling process lives in. */
export interface Calls<S> {
  /** Throws what the network or the server says. */
  call<T>(what: string, act: (server: S) => T): Promise<T>
  /** A lost request or reply is `undefined`: nobody knows what became of it. */
  ask<T>(what: string, act: (server: S) => T): Promise<T | undefined>
}

export function callsTo<S extends ModelServer>(sink: string): Calls<S> {
  const call = <T>(what: string, act: (server: S) => T): Promise<T> => {
    const process = thisProcess()
    return process.call(what, () => act(process.world.servers.of(sink) as unknown as S))
  }
  const ask = async <T>(what: string, act: (server: S) => T): Promise<T | undefined> => {
    try {
      return await call(what, act)
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'UNAVAILABLE') return undefined
      throw error
    }
  }
  return { call, ask }
}

export function needsRestart(message: string): MillraceError {
  return new MillraceError(message, { code: 'UNAVAILABLE', retry: 'restart' })
}

/** Names carry the epoch, so that what is left over can be enumerated. */
export function nameOf(epoch: number, checkpoint: number): string {
  return `e${epoch}-c${checkpoint}`
}

export function originOf({ ticket, checkpoint }: OpenWork): Origin {
  return { epoch: Number(ticket['epoch']), checkpoint }
}
