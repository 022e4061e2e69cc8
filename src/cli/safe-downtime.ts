import type { Aging, PartDowntime } from '../checkpoint/expiry.ts'
import type { Finding } from '../core/checkpoint-types.ts'
import type { SafeDowntime } from '../core/preflight-rules.ts'
import { formatDuration } from './quantities.ts'

/** What the findings of a preflight say about safe downtime. */
export function safeDowntimesOf(findings: readonly Finding[]): PartDowntime[] {
  return findings.flatMap(({ detail, path: [section, part] = [] }): PartDowntime[] => {
    const safe = detail?.['safeDowntime'] as SafeDowntime | undefined
    if (safe === undefined) return []
    return [{ part: String(part), kind: section === 'sources' ? 'source' : 'sink', ms: safe.ms, what: safe.what }]
  })
}

/** Who could not be asked is taken to be as it told the last time, as long as it is in the pipeline. */
export function withEarlier(
  told: readonly PartDowntime[],
  earlier: readonly PartDowntime[],
  silent: ReadonlySet<string>,
): PartDowntime[] {
  return [...told, ...earlier.filter(({ part }) => silent.has(part) && told.every((one) => one.part !== part))]
}

/** `1 h 20 min, then prepared transactions (…) of out expire`. */
export function safeDowntimeText({ ms, what, part }: PartDowntime): string {
  return `${formatDuration(ms)}, then ${what} of ${part} expire`
}

/** What is left of it, for somebody who has to act; `undefined` where there is time. */
export function agingText({ ms, usedMs, what, part, state }: Aging, isRunning: boolean): string | undefined {
  const remedy = isRunning ? 'see why nothing is confirmed' : 'start the job'
  if (state === 'fine') return undefined
  if (state === 'over') return `${what} of ${part} may have expired ${formatDuration(usedMs - ms)} ago: ${remedy} now`
  return `more than half of the safe downtime is used: ${what} of ${part} expire in ${formatDuration(ms - usedMs)}; ${remedy}`
}
