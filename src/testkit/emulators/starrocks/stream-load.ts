import { randomUUID } from 'node:crypto'
import type { Cluster } from '../cluster.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { BadBody, makeLoader, receiveBody } from '../load-body.ts'
import { BadHeader, header } from '../load-plan.ts'
import type { LoadResult } from '../row-loader.ts'
import type { FrontendRpc } from './frontend-rpc.ts'
import { refuseResult } from './load-context.ts'
import { parseLoadHeaders, type ParsedLoad } from './load-headers.ts'
import { backendReply } from './replies.ts'
import type { StarRocksSettings } from './settings.ts'

export interface StreamLoadEnvironment {
  readonly cluster: Cluster
  readonly settings: StarRocksSettings
  readonly rpc: FrontendRpc
  readonly backend: number
  errorUrl(result: LoadResult): string | undefined
}

/** The parts of a reply that an outcome changes. */
interface Outcome {
  readonly txnId: number
  readonly status: 'Success' | 'Publish Timeout' | 'Label Already Exists' | 'Fail'
  readonly message: string
  readonly existingJobStatus?: string
  readonly result?: LoadResult
  readonly bytes?: number
  readonly errorUrl?: string | undefined
}

/** `PUT /api/{db}/{table}/_stream_load` at a backend: one request, one transaction. */
export async function plainStreamLoad(
  environment: StreamLoadEnvironment,
  exchange: Exchange,
  database: string,
  tableName: string,
): Promise<Reply> {
  const label = header(exchange.headers, 'label') ?? randomUUID()
  const outcome = await run(environment, exchange, { database, tableName, label })
  const { result, status } = outcome
  return backendReply({
    TxnId: outcome.txnId,
    Label: label,
    Status: status,
    ...(status === 'Label Already Exists' ? { ExistingJobStatus: outcome.existingJobStatus ?? '' } : {}),
    Message: outcome.message,
    NumberTotalRows: result?.total ?? 0,
    NumberLoadedRows: result?.loaded ?? 0,
    NumberFilteredRows: result?.filtered ?? 0,
    NumberUnselectedRows: result?.unselected ?? 0,
    LoadBytes: outcome.bytes ?? 0,
    LoadTimeMs: 0,
    BeginTxnTimeMs: 0,
    StreamLoadPlanTimeMs: 0,
    ReadDataTimeMs: 0,
    WriteDataTimeMs: 0,
    CommitAndPublishTimeMs: 0,
    ...(outcome.errorUrl === undefined ? {} : { ErrorURL: outcome.errorUrl }),
  })
}

async function run(
  environment: StreamLoadEnvironment,
  exchange: Exchange,
  target: { database: string; tableName: string; label: string },
): Promise<Outcome> {
  const { cluster, settings, rpc } = environment
  const { headers } = exchange
  const check = cluster.checkCredentials(exchange)
  if (check === 'missing') return fail(-1, 'no valid Basic authorization')
  if (check === 'wrong') return fail(-1, 'Access denied for the user of this request')
  const timeout = header(headers, 'timeout')
  if (timeout !== undefined && !/^-?\d+$/.test(timeout)) return fail(-1, 'Invalid timeout format')
  const begun = rpc.begin({
    database: target.database,
    table: target.tableName,
    label: target.label,
    timeoutSecond: timeout === undefined ? undefined : Number(timeout),
    backend: environment.backend,
  })
  if ('status' in begun) {
    const { existingJobStatus = '', message } = begun
    const isDuplicate = begun.status === 'LABEL_ALREADY_EXISTS'
    return isDuplicate ? { txnId: -1, status: 'Label Already Exists', message, existingJobStatus } : fail(-1, message)
  }
  const { id } = begun.transaction
  const failWith = (message: string, more: Partial<Outcome> = {}): Outcome => {
    rpc.rollback(id, message)
    return { ...fail(id, message), ...more }
  }
  let load: ParsedLoad
  try {
    load = parseLoadHeaders(headers, begun.table, false)
  } catch (error) {
    if (error instanceof BadHeader) return failWith(error.message)
    throw error
  }
  const loader = makeLoader(load.plan, cluster.mode)
  let bytes: number
  try {
    bytes = await receiveBody(exchange, loader, load.compression)
  } catch (error) {
    rpc.rollback(id, error instanceof Error ? error.message : String(error))
    if (error instanceof BadBody) return fail(id, error.message)
    throw error
  }
  const result = loader.finish()
  const facts = { result, bytes, errorUrl: environment.errorUrl(result) }
  if (result.isRatioExceeded) return failWith('too many filtered rows', facts)
  const refusal = refuseResult(result, begun.table, cluster, settings)
  if (refusal !== undefined) return failWith(refusal.message, facts)
  const committed = await rpc.commit(id, result, bytes)
  if ('status' in committed) return { ...fail(id, committed.message), ...facts }
  if (committed.isVisible) return { txnId: id, status: 'Success', message: 'OK', ...facts }
  return { txnId: id, status: 'Publish Timeout', message: 'Publish timeout', ...facts }
}

function fail(txnId: number, message: string): Outcome {
  return { txnId, status: 'Fail', message }
}
