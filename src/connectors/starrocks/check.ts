import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { formatDuration } from '../../core/options.ts'
import { openTransactionMs } from '../../core/preflight-rules.ts'
import type { StarRocksTransactions } from '../../clients/stream-load/index.ts'
import { reachabilityFindings, timeFindings } from '../../clients/stream-load/loader/check-load.ts'
import { checkTables } from '../../clients/stream-load/tables/check-tables.ts'
import type { StarRocksSinkOptions } from './options.ts'

/** The server allows an open transaction at most three days (stream_load timeout limits of the FE). */
const OPEN_MAX_MS = 259_200_000

/** Is the FE there, does it take our password, does it know the database, and do timeouts and label history suffice? */
export async function checkStarRocks(
  options: StarRocksSinkOptions,
  transactions: StarRocksTransactions,
  { times }: PreflightContext,
): Promise<readonly Finding[]> {
  const { database, labelPrefix, serverPreparedTimeout, serverLabelKeep } = options
  const limits = {
    preparedTimeoutMs: serverPreparedTimeout,
    preparedSetting: 'prepared_transaction_default_timeout_second',
    labelKeepMs: serverLabelKeep,
    labelSetting: 'label_keep_max_second',
  }
  const tables = await checkTables(options)
  // A database that is not there yet is made with its first table, and nobody can be asked about its labels.
  const probe = tables.hasDatabase
    ? reachabilityFindings(await transactions.state({ database, label: `${labelPrefix}_preflight` }))
    : []
  return [
    ...openFindings(openTransactionMs(times)),
    ...timeFindings(times, limits, options.durableStaging),
    ...tables.findings,
    ...probe,
  ]
}

function openFindings(openMs: number): Finding[] {
  if (openMs <= OPEN_MAX_MS) return []
  const message = `a transaction would stay open for ${formatDuration(openMs)}; the server allows 3d`
  return [{ severity: 'error', code: 'PREFLIGHT', message, hint: 'Lower checkpoint.interval.' }]
}
