import { setTimeout as sleep } from 'node:timers/promises'
import { toMillraceError, wrapError } from '../../core/errors.ts'

/** Milliseconds to wait before attempt `n` (from 1): 20, 40, 80 … at most a second. */
export function pauseBefore(attempt: number): number {
  return Math.min(1000, 10 * 2 ** Math.min(attempt, 10))
}

/** Repeats `step` while its errors say `retry: 'retry'` and time is left; the last error goes out with the doing word. */
export async function retrying<T>(doing: string, timeoutMs: number, step: () => Promise<T>): Promise<T> {
  const end = performance.now() + timeoutMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await step()
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (error.retry !== 'retry') throw error
      if (performance.now() >= end) throw wrapError(error, `${doing} (tried ${attempt} times)`)
      await sleep(pauseBefore(attempt))
    }
  }
}
