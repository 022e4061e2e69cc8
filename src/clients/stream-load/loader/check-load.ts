import type { Finding } from '../../../core/checkpoint-types.ts'
import type { CheckpointTimes } from '../../../core/context.ts'
import { formatDuration } from '../../../core/options.ts'
import { labelHistoryMs, preparedMs, safeDowntimeFindings, type Expiry } from '../../../core/preflight-rules.ts'
import type { Failed, Unknown } from '../outcomes.ts'

/** What the server grants, and what its settings are called. */
export interface LoadLimits {
  readonly preparedTimeoutMs: number
  readonly preparedSetting: string
  readonly labelKeepMs: number
  readonly labelSetting: string
}

/** Is the FE there, and does it take our password? `probe` is its answer about a label that nobody uses. */
export function reachabilityFindings(probe: { readonly kind: 'state' } | Unknown | Failed): Finding[] {
  if (probe.kind === 'state') return []
  const [code, message, hint] =
    probe.kind === 'failed'
      ? [probe.error.code, probe.error.message, probe.error.remedy]
      : ['UNAVAILABLE', `asking the FE: ${probe.reason}`, 'Is the address right?']
  return [{ severity: 'error', code, message, hint, path: ['url'] }]
}

/**
 * Do timeouts and label history suffice for the longest downtime? The safe downtime is told in any case. Where rows are kept
 * (`durableStaging`), prepared transactions may expire.
 */
export function timeFindings(times: CheckpointTimes, limits: LoadLimits, isKept: boolean): Finding[] {
  const { preparedTimeoutMs, labelKeepMs, preparedSetting, labelSetting } = limits
  const findings: Finding[] = []
  const refuse = (message: string, hint: string): void => {
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint })
  }
  if (!isKept && preparedMs(times) > preparedTimeoutMs) {
    refuse(
      `prepared transactions have to live ${formatDuration(preparedMs(times))}; the server grants ${formatDuration(preparedTimeoutMs)}`,
      `Lower checkpoint.maxDowntime, raise ${preparedSetting} on the FE and say so in serverPreparedTimeout, or set durableStaging: true.`,
    )
  }
  if (labelHistoryMs(times) > labelKeepMs) {
    refuse(
      `labels have to be remembered for ${formatDuration(labelHistoryMs(times))}; the server keeps them ${formatDuration(labelKeepMs)}`,
      `Lower checkpoint.maxDowntime, or raise ${labelSetting} on the FE and say so in serverLabelKeep.`,
    )
  }
  const perMinute = 60_000 / times.intervalMs
  if (perMinute > 12) {
    findings.push({
      severity: 'warning',
      code: 'PREFLIGHT',
      message: `${perMinute.toFixed(0)} transactions a minute into one table: the server merges versions slower than that`,
      hint: 'Raise checkpoint.interval to 5s or more.',
    })
  }
  const prepared: Expiry = {
    what: `prepared transactions (${preparedSetting})`,
    kind: 'prepared',
    lifeMs: preparedTimeoutMs,
  }
  const labels: Expiry = { what: `labels (${labelSetting})`, kind: 'label', lifeMs: labelKeepMs }
  findings.push(...safeDowntimeFindings(times, isKept ? [labels] : [prepared, labels]))
  return findings
}
