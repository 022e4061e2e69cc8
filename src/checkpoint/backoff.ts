export interface BackoffOptions {
  readonly firstMs: number
  readonly factor: number
  readonly maxMs: number
}

/** Restarts inside the process and commit retries: 1 s, doubled, at most a minute. */
export const RESTART_BACKOFF: BackoffOptions = { firstMs: 1000, factor: 2, maxMs: 60_000 }
export const COMMIT_BACKOFF: BackoffOptions = { firstMs: 100, factor: 2, maxMs: 10_000 }

/** Pause before attempt `attempt` (counted from 1), with up to 20 % of jitter taken from `random` in [0, 1). */
export function backoffMs(attempt: number, options: BackoffOptions, random: number): number {
  const base = Math.min(options.maxMs, options.firstMs * options.factor ** (attempt - 1))
  return Math.round(base * (1 - 0.2 * random))
}
