import { setTimeout as sleep } from 'node:timers/promises'

export interface RetryOptions {
  /** How often it is tried in all. Default 3. */
  readonly attempts?: number
  /** Longest pause before the second try, in milliseconds; it doubles with each. Default 100. */
  readonly baseMs?: number
  /** Longest pause at all. Default 30 s. */
  readonly maxMs?: number
  /** Errors that no other try can mend. Default: all are worth one. */
  readonly isRetryable?: (error: unknown) => boolean
  /** For tests; default `Math.random`. */
  readonly random?: () => number
}

/** A pause before try `attempt` (from 2): anything up to the limit, so that many do not come back together (full jitter). */
export function retryPauseMs(attempt: number, options: RetryOptions = {}): number {
  const { baseMs = 100, maxMs = 30_000, random = Math.random } = options
  return random() * Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt - 2))
}

/** What came of trying. */
export type Tried<T> =
  | { readonly ok: true; readonly value: T; readonly attempts: number }
  | { readonly ok: false; readonly error: unknown; readonly attempts: number }

/** Tries until it works, the attempts are over, the error is final, or the signal says stop. Never rejects. */
export async function tryRepeatedly<T>(
  act: (attempt: number) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<Tried<T>> {
  const { attempts = 3, isRetryable = () => true } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return { ok: true, value: await act(attempt), attempts: attempt }
    } catch (error) {
      if (attempt >= attempts || signal.aborted || !isRetryable(error)) return { ok: false, error, attempts: attempt }
    }
    await sleep(retryPauseMs(attempt + 1, options), undefined, { signal }).catch(() => undefined)
  }
}
