/**
 * When checkpoints are due. The first one after a start fires 200 ms after the first row and the next ones double up
 * to the interval, so that freshness is back in well under a second after a restart.
 */
export const FIRST_CHECKPOINT_MS = 200

/** Pause before checkpoint number `ordinal` of this run (counted from 0). */
export function checkpointPauseMs(ordinal: number, intervalMs: number): number {
  if (ordinal > 30) return intervalMs
  return Math.min(intervalMs, FIRST_CHECKPOINT_MS * 2 ** ordinal)
}
