import type { CheckpointTimes } from '../../../core/context.ts'
import { MARGIN_MS } from '../../../core/preflight-rules.ts'

/** A transaction is open from its first row until it is committed, which may be after the longest downtime. */
export function neededTimeoutMs(times: CheckpointTimes): number {
  return Math.min(2 ** 31 - 1, times.intervalMs + times.timeoutMs + times.maxDowntimeMs + MARGIN_MS)
}
