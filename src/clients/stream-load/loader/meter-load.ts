import type { Meter } from '../../../core/context.ts'

/** Counts a load and its time, from its first row to the server's word. */
export async function meterLoad<T>(
  meter: Meter,
  openedAt: number,
  isTaken: (outcome: T) => boolean,
  load: Promise<T>,
): Promise<T> {
  const outcome = await load
  meter.observe('load_seconds', (performance.now() - openedAt) / 1000)
  meter.count('loads', 1, { result: isTaken(outcome) ? 'ok' : 'failed' })
  return outcome
}
