import type { CheckpointTimes } from './context.ts'

/** Safety margin of every rule. */
export const MARGIN_MS: number = 5 * 60_000

/** How long an open transaction has to survive: from its first row to prepare. */
export function openTransactionMs(times: CheckpointTimes): number {
  return times.intervalMs + times.timeoutMs + MARGIN_MS
}

/** How long a prepared transaction has to survive: the job may be down that long. */
export function preparedMs(times: CheckpointTimes): number {
  return times.maxDowntimeMs + times.timeoutMs + MARGIN_MS
}

/** How long a server has to remember a label. */
export function labelHistoryMs(times: CheckpointTimes): number {
  return times.maxDowntimeMs + MARGIN_MS
}

/** How long a source has to keep its records. */
export function retentionMs(times: CheckpointTimes): number {
  return times.maxDowntimeMs + times.retained * times.intervalMs + MARGIN_MS
}

/** The longest time that the job may be down, given how long prepared work, labels and records live. */
export function safeDowntimeMs(
  times: CheckpointTimes,
  lives: { readonly preparedMs?: number; readonly labelMs?: number; readonly retentionMs?: number },
): number {
  return Math.max(
    0,
    Math.min(
      (lives.preparedMs ?? Infinity) - times.timeoutMs - MARGIN_MS,
      (lives.labelMs ?? Infinity) - MARGIN_MS,
      (lives.retentionMs ?? Infinity) - times.retained * times.intervalMs - MARGIN_MS,
    ),
  )
}
