import { randomUUID } from 'node:crypto'
import type { Cluster } from '../cluster.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { BadBody, EarlyFailure, makeLoader, receiveBody } from '../load-body.ts'
import { BadHeader, header } from '../load-plan.ts'
import type { LoadResult, RowLoader } from '../row-loader.ts'
import type { TableStore } from '../table.ts'
import type { Transaction } from '../transaction-table.ts'
import { parseLoadHeaders, type ParsedLoad } from './load-headers.ts'
import { refuseRequest, refuseResult } from './load-rules.ts'
import { backendReply } from './replies.ts'
import type { DorisSettings } from './settings.ts'

const LABEL = /^[-_A-Za-z0-9:]{1,128}$/
/** A database's id in error texts; only its presence matters. */
const DATABASE_ID = 10_002

export interface StreamLoadEnvironment {
  readonly cluster: Cluster
  readonly settings: DorisSettings
  readonly backend: number
  errorUrl(result: LoadResult): string | undefined
}

interface Target {
  readonly database: string
  readonly tableName: string
  readonly label: string
  readonly isTwoPhase: boolean
}

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
export async function streamLoad(
  environment: StreamLoadEnvironment,
  exchange: Exchange,
  database: string,
  tableName: string,
): Promise<Reply> {
  const { headers } = exchange
  const groupCommit = header(headers, 'group_commit')?.toLowerCase() ?? 'off_mode'
  const isTwoPhase = header(headers, 'two_phase_commit') === 'true'
  const isGroupCommit = groupCommit !== 'off_mode' && !isTwoPhase
  const given = header(headers, 'label') ?? ''
  const label = isGroupCommit ? `group_commit_${randomUUID()}` : given === '' ? randomUUID() : given
  const outcome = await run(environment, exchange, { database, tableName, label, isTwoPhase })
  const { result, status } = outcome
  return backendReply({
    TxnId: outcome.txnId,
    Label: label,
    Comment: header(headers, 'comment') ?? '',
    ...(isGroupCommit ? { GroupCommit: true } : { TwoPhaseCommit: String(isTwoPhase) }),
    Status: status,
    ...(status === 'Label Already Exists' ? { ExistingJobStatus: outcome.existingJobStatus ?? '' } : {}),
    Message: outcome.message,
    NumberTotalRows: result?.total ?? 0,
    NumberLoadedRows: result?.loaded ?? 0,
    NumberFilteredRows: result?.filtered ?? 0,
    NumberUnselectedRows: result?.unselected ?? 0,
    LoadBytes: outcome.bytes ?? 0,
    LoadTimeMs: 0,
    ...(isGroupCommit ? {} : { BeginTxnTimeMs: 0 }),
    StreamLoadPutTimeMs: 0,
    ReadDataTimeMs: 0,
    WriteDataTimeMs: 0,
    ...(isGroupCommit ? {} : { CommitAndPublishTimeMs: 0 }),
    ...(outcome.errorUrl === undefined ? {} : { ErrorURL: outcome.errorUrl }),
  })
}

async function run(environment: StreamLoadEnvironment, exchange: Exchange, target: Target): Promise<Outcome> {
  const { cluster, settings } = environment
  const refused = refuseRequest(cluster, settings, exchange)
  if (refused !== undefined) return fail(refused)
  const begun = begin(environment, exchange, target)
  if ('status' in begun) return begun
  const { transaction, table } = begun
  const { id } = transaction
  const failWith = (message: string, more: Partial<Outcome> = {}): Outcome => {
    if (transaction.state === 'PREPARE') cluster.transactions.abort(transaction, message)
    return { ...fail(message), ...more, txnId: id }
  }
  let load: ParsedLoad
  try {
    load = parseLoadHeaders(exchange.headers, table)
  } catch (error) {
    if (error instanceof BadHeader) return failWith(error.message)
    throw error
  }
  const loader = makeLoader(load.plan, cluster.mode)
  const received = await receive(exchange, loader, load, failWith)
  if (typeof received !== 'number') return received
  const result = loader.finish()
  const facts = { result, bytes: received, errorUrl: environment.errorUrl(result) }
  const refusal = refuseResult(cluster, settings, table, result)
  if (refusal !== undefined) return failWith(refusal, facts)
  return { ...(await finish(environment, transaction, target, result, received)), ...facts }
}

async function receive(
  exchange: Exchange,
  loader: RowLoader,
  load: ParsedLoad,
  failWith: (reason: string) => Outcome,
): Promise<number | Outcome> {
  try {
    return await receiveBody(exchange, loader, load.compression, true)
  } catch (error) {
    if (error instanceof EarlyFailure) return failWith('[DATA_QUALITY_ERROR]too many filtered rows')
    // Without its sender a load is rolled back at once.
    const failure = failWith(
      error instanceof BadBody ? `[INTERNAL_ERROR]${error.message}` : '[CANCELLED]sender is gone',
    )
    if (error instanceof BadBody) return failure
    throw error
  }
}

function begin(
  environment: StreamLoadEnvironment,
  exchange: Exchange,
  target: Target,
): { transaction: Transaction; table: TableStore } | Outcome {
  const { cluster, settings } = environment
  const { database, tableName, label, isTwoPhase } = target
  if (!LABEL.test(label)) return fail(rpcError(`Label format error. regex: ${LABEL.source}, label: ${label}`))
  if (!cluster.hasDatabase(database)) return fail(rpcError(`unknown database, database=${database}`))
  const table = cluster.tableForLoad(database, tableName)
  if (table === undefined) return fail(rpcError(`unknown table, table=${tableName}`))
  const timeoutText = header(exchange.headers, 'timeout')
  const timeout = timeoutText === undefined ? settings.streamLoadDefaultTimeoutSecond : Number(timeoutText)
  if (!(timeout >= 1 && timeout <= settings.maxStreamLoadTimeoutSecond)) {
    return fail(
      rpcError(`Invalid timeout. Timeout should between 1 and ${settings.maxStreamLoadTimeoutSecond} seconds`),
    )
  }
  const existing = cluster.transactions.newest(database, label)
  if (existing !== undefined && existing.state !== 'ABORTED') return labelExists(existing)
  const running = cluster.transactions.running(database)
  const limit = settings.maxRunningTxnNumPerDb
  if (running >= limit) {
    return fail(rpcError(`current running txns on db ${DATABASE_ID} is ${running}, larger than limit ${limit}`))
  }
  if (isTwoPhase && settings.isCloudMode && table.isKeyed) {
    return fail('[NOT_IMPLEMENTED_ERROR]stream load 2pc is unsupported for mow table')
  }
  const coordinator = environment.backend
  const request = { database, label, table, coordinator, timeoutMs: timeout * 1000 }
  return { transaction: cluster.transactions.begin(request), table }
}

async function finish(
  environment: StreamLoadEnvironment,
  transaction: Transaction,
  target: Target,
  result: LoadResult,
  bytes: number,
): Promise<Outcome> {
  const { cluster, settings } = environment
  const { transactions } = cluster
  const { id } = transaction
  if (transactions.byId(id) === undefined) return { ...fail(rpcError(`transaction [${id}] not found`)), txnId: id }
  if (transaction.state !== 'PREPARE') {
    const reason = `transaction [${id}] is already aborted. abort reason: ${transaction.reason ?? ''}`
    return { ...fail(rpcError(reason)), txnId: id }
  }
  transaction.deltas = [result.delta]
  transaction.loadedRows = result.loaded
  transaction.loadedBytes = bytes
  if (target.isTwoPhase) {
    transactions.prepare(transaction, settings.streamLoadDefaultPrecommitTimeoutSecond * 1000)
    return { txnId: id, status: 'Success', message: 'OK' }
  }
  transactions.commit(transaction)
  if (await transactions.waitVisible(transaction, settings.commitPublishWaitSecond * 1000)) {
    return { txnId: id, status: 'Success', message: 'OK' }
  }
  const message =
    '[PUBLISH_TIMEOUT]TStatus: errCode = 2, detailMessage = transaction commit successfully, BUT data will be visible later'
  return { txnId: id, status: 'Publish Timeout', message }
}

function labelExists(existing: Transaction): Outcome {
  const { label, id, state } = existing
  const text = `Label [${label}] has already been used, relate to txn [${id}]`
  const existingJobStatus = state === 'PREPARE' ? 'RUNNING' : state === 'PREPARED' ? 'PRECOMMITTED' : 'FINISHED'
  const message = `[LABEL_ALREADY_EXISTS]TStatus: errCode = 2, detailMessage = ${text}`
  return { txnId: -1, status: 'Label Already Exists', message, existingJobStatus }
}

function rpcError(text: string): string {
  return `[ANALYSIS_ERROR]TStatus: errCode = 2, detailMessage = ${text}`
}

function fail(message: string): Outcome {
  return { txnId: -1, status: 'Fail', message }
}
