import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { formatDuration } from '../../core/options.ts'
import { labelHistoryMs, preparedMs, safeDowntimeMs } from '../../core/preflight-rules.ts'
import type { DorisTwoPhaseLoads } from '../../clients/stream-load/index.ts'
import type { DorisSinkOptions } from './options.ts'

/** Is the FE there, does it take our password, does it know the database, and do timeouts and label history suffice? */
export async function checkDoris(
  options: DorisSinkOptions,
  loads: DorisTwoPhaseLoads,
  context: PreflightContext,
): Promise<readonly Finding[]> {
  return [...timeFindings(options, context), ...(await reachability(options, loads))]
}

async function reachability(options: DorisSinkOptions, loads: DorisTwoPhaseLoads): Promise<Finding[]> {
  const probe = await loads.state({ database: options.database, label: `${options.labelPrefix}_preflight` })
  if (probe.kind === 'state') return []
  const severity = 'error'
  if (probe.kind === 'failed') {
    const { code, message, remedy } = probe.error
    return [{ severity, code, message, hint: remedy, path: ['url'] }]
  }
  return [
    {
      severity,
      code: 'UNAVAILABLE',
      message: `asking the FE: ${probe.reason}`,
      hint: 'Is the address right?',
      path: ['url'],
    },
  ]
}

function timeFindings(options: DorisSinkOptions, { times }: PreflightContext): Finding[] {
  const findings: Finding[] = []
  const refuse = (message: string, hint: string): void => {
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint })
  }
  if (preparedMs(times) > options.serverPreparedTimeout) {
    refuse(
      `prepared transactions have to live ${formatDuration(preparedMs(times))}; the server grants ${formatDuration(options.serverPreparedTimeout)}`,
      'Lower checkpoint.maxDowntime, or raise stream_load_default_precommit_timeout_second on the FE and say so in serverPreparedTimeout.',
    )
  }
  if (labelHistoryMs(times) > options.serverLabelKeep) {
    refuse(
      `labels have to be remembered for ${formatDuration(labelHistoryMs(times))}; the server keeps them ${formatDuration(options.serverLabelKeep)}`,
      'Lower checkpoint.maxDowntime, or raise streaming_label_keep_max_second on the FE and say so in serverLabelKeep.',
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
  const safe = safeDowntimeMs(times, { preparedMs: options.serverPreparedTimeout, labelMs: options.serverLabelKeep })
  findings.push({
    severity: 'info',
    code: 'SAFE_DOWNTIME',
    message: `this sink survives being down for ${formatDuration(safe)}`,
    detail: { safeDowntimeMs: safe },
  })
  return findings
}
