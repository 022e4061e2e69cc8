import { setTimeout as sleep } from 'node:timers/promises'

/** Waits between two attempts; tests hand in one that does not wait. */
export type Pause = (ms: number) => Promise<void>

export const systemPause: Pause = (ms) => sleep(ms)

const FIRST_MS = 50
const LONGEST_MS = 2_000

/**
 * Repeats `attempt` until it gives something else than `undefined`, with growing pauses that add up to `totalMs` at the
 * most. Undefined when they are used up.
 */
export async function poll<T>(
  totalMs: number,
  pause: Pause,
  attempt: () => Promise<T | undefined>,
): Promise<T | undefined> {
  let left = totalMs
  for (let ms = FIRST_MS; ; ms = Math.min(ms * 2, LONGEST_MS)) {
    const result = await attempt()
    if (result !== undefined || left <= 0) return result
    const next = Math.min(ms, left)
    left -= next
    await pause(next)
  }
}
