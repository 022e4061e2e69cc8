import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import type { DorisTwoPhaseLoads } from '../../clients/stream-load/index.ts'
import { reachabilityFindings, timeFindings } from '../../clients/stream-load/loader/check-load.ts'
import { checkTables } from '../../clients/stream-load/tables/check-tables.ts'
import type { DorisSinkOptions } from './options.ts'

/** Is the FE there, does it take our password, does it know the database, and do timeouts and label history suffice? */
export async function checkDoris(
  options: DorisSinkOptions,
  loads: DorisTwoPhaseLoads,
  { times }: PreflightContext,
): Promise<readonly Finding[]> {
  const { database, labelPrefix, serverPreparedTimeout, serverLabelKeep } = options
  const limits = {
    preparedTimeoutMs: serverPreparedTimeout,
    preparedSetting: 'stream_load_default_precommit_timeout_second',
    labelKeepMs: serverLabelKeep,
    labelSetting: 'streaming_label_keep_max_second',
  }
  const tables = await checkTables(options)
  // A database that is not there yet is made with its first table, and nobody can be asked about its labels.
  const probe = tables.hasDatabase
    ? reachabilityFindings(await loads.state({ database, label: `${labelPrefix}_preflight` }))
    : []
  return [...timeFindings(times, limits, options.durableStaging), ...tables.findings, ...probe]
}
