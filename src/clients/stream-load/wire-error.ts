import { MillraceError } from '../../core/errors.ts'

/** The step of a request at which the wire failed. */
export type WirePhase = 'lookup' | 'connect' | 'send' | 'continue' | 'body' | 'reply'

/**
 * A failure below HTTP: no name, no connection, a reset, silence, or bytes that are no reply. `mayHaveArrived` says
 * whether the server can have seen and carried out the request: then only evidence tells what happened.
 */
export function wireError(
  doing: string,
  what: string,
  facts: { readonly phase: WirePhase; readonly mayHaveArrived: boolean; readonly cause?: unknown },
): MillraceError {
  const because = facts.cause instanceof Error ? ` (${facts.cause.message})` : ''
  return new MillraceError(`${doing}: ${what}${because}`, {
    code: 'UNAVAILABLE',
    retry: facts.mayHaveArrived ? 'restart' : 'retry',
    detail: { phase: facts.phase, mayHaveArrived: facts.mayHaveArrived },
    ...(facts.cause === undefined ? {} : { cause: facts.cause }),
  })
}

/** Whether the server can have carried out the request that failed with `error`. */
export function mayHaveArrived(error: MillraceError): boolean {
  return error.detail['mayHaveArrived'] === true
}

/** Rejects with `onTimeout()` when `promise` takes longer than `ms`; the promise's own late failure is swallowed. */
export async function within<T>(promise: Promise<T>, ms: number, onTimeout: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), Math.min(ms, 2 ** 31 - 1))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
