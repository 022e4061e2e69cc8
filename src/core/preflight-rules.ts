import type { Finding } from './checkpoint-types.ts'
import type { CheckpointTimes } from './context.ts'
import { formatDuration } from './options.ts'

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

/** Something of an outside system that is gone when the job was down for too long. */
export interface Expiry {
  /** What it is and what decides how long it lives, for people: `records of orders (retention.ms)`. */
  readonly what: string
  readonly kind: 'prepared' | 'label' | 'retention'
  readonly lifeMs: number
}

/** How long a job may be down, and what is gone first after that. */
export interface SafeDowntime {
  readonly ms: number
  readonly what: string
}

/** The longest time for which every rule above still holds; `undefined` where nothing expires. */
export function safeDowntime(times: CheckpointTimes, expiries: readonly Expiry[]): SafeDowntime | undefined {
  const needed = { prepared: preparedMs, label: labelHistoryMs, retention: retentionMs }
  const ofNone = { ...times, maxDowntimeMs: 0 }
  const all = expiries.map(({ what, kind, lifeMs }) => ({ what, ms: Math.max(0, lifeMs - needed[kind](ofNone)) }))
  return all.toSorted((one, other) => one.ms - other.ms)[0]
}

/** What a preflight tells about it, in any case: `status` and the start of a job read it. */
export function safeDowntimeFindings(times: CheckpointTimes, expiries: readonly Expiry[]): Finding[] {
  const safe = safeDowntime(times, expiries)
  if (safe === undefined) return []
  const message = `the job may be down for ${formatDuration(roughly(safe.ms))}; then ${safe.what} expire`
  return [{ severity: 'info', code: 'SAFE_DOWNTIME', message, detail: { safeDowntime: { ...safe } } }]
}

/** Rounded down to whole units, at least two of them. */
function roughly(ms: number): number {
  const unit = [86_400_000, 3_600_000, 60_000, 1000].find((length) => ms >= 2 * length) ?? 1
  return ms - (ms % unit)
}
