import type { Clock } from '../core/context.ts'

/** Node fires timers above 2^31-1 ms after 1 ms, so long pauses are cut into pieces. */
const TIMER_MAX_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    for (let left = ms; left > 0 && signal?.aborted !== true; left -= TIMER_MAX_MS) {
      await pause(Math.min(left, TIMER_MAX_MS), signal)
    }
  },
  after: (ms, action) => {
    const timer = setTimeout(action, Math.min(ms, TIMER_MAX_MS))
    return () => clearTimeout(timer)
  },
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
