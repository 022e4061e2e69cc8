import { randomUUID } from 'node:crypto'
import type { Cluster } from '../cluster.ts'
import { ErrorLog } from '../error-log.ts'
import type { Operation } from '../faults.ts'
import type { Route } from '../gateway.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { BadBody, receiveBody } from '../load-body.ts'
import { BadHeader, header } from '../load-plan.ts'
import type { LoadResult } from '../row-loader.ts'
import { FrontendRpc } from './frontend-rpc.ts'
import { LoadContext, refuseResult } from './load-context.ts'
import { parseLoadHeaders, type ParsedLoad } from './load-headers.ts'
import { backendReply, failureReply, notImplemented, type BackendFailure, type BackendStatus } from './replies.ts'
import type { StarRocksSettings } from './settings.ts'
import { plainStreamLoad } from './stream-load.ts'

const MULTI_STATEMENT = 'Multi-statement transaction requests can only be sent to FE nodes, not BE nodes'

/**
 * One backend: transactions in PREPARE live here, in memory, keyed by label. Words and order of checks follow
 * be/src/http/action/transaction_stream_load.cpp and be/src/runtime/stream_load/transaction_mgr.cpp.
 */
export class Backend {
  readonly #cluster: Cluster
  readonly #settings: StarRocksSettings
  readonly #index: number
  readonly #rpc: FrontendRpc
  readonly #contexts = new Map<string, LoadContext>()
  readonly #errorLog = new ErrorLog()
  #cancelScan: () => void = () => undefined

  constructor(cluster: Cluster, settings: StarRocksSettings, index: number) {
    this.#cluster = cluster
    this.#settings = settings
    this.#index = index
    this.#rpc = new FrontendRpc(cluster, settings)
    this.#scanLater()
  }

  /** Its memory is lost; the frontend is not told. */
  restart(): void {
    for (const context of this.#contexts.values()) context.isFailed = true
    this.#contexts.clear()
  }

  /** The transaction timed out: a fault rule said so. */
  expire(label: string): void {
    const context = this.#contexts.get(label)
    if (context !== undefined) this.#rollback(context, timeoutReason(context))
  }

  close(): void {
    this.#cancelScan()
  }

  route(exchange: Exchange): Route {
    const { headers, path } = exchange
    const about = { label: header(headers, 'label') ?? '' }
    const operation = /^\/api\/transaction\/(begin|load|prepare|commit|rollback)$/.exec(path)?.[1]
    if (
      operation !== undefined &&
      (exchange.method === 'POST' || (exchange.method === 'PUT' && operation === 'load'))
    ) {
      const database = header(headers, 'db') ?? ''
      const table = header(headers, 'table') ?? ''
      const run = (): Promise<Reply> => this.#transaction(operation, exchange)
      return { ...about, operation: operation as Operation, database, table, run }
    }
    if (path === '/api/transaction/list') return { run: () => this.#list() }
    if (path === '/api/_load_error_log') return { run: () => this.#readErrorLog(exchange.query.get('file') ?? '') }
    const [, database = '', table = ''] = /^\/api\/([^/]+)\/([^/]+)\/_stream_load$/.exec(path) ?? []
    if (table !== '' && exchange.method === 'PUT') {
      const environment = {
        cluster: this.#cluster,
        settings: this.#settings,
        rpc: this.#rpc,
        backend: this.#index,
        errorUrl: (result: LoadResult) => this.#errorUrl(result),
      }
      const run = (): Promise<Reply> => plainStreamLoad(environment, exchange, database, table)
      return { ...about, operation: 'streamLoad', database, table, run }
    }
    return { run: notImplemented }
  }

  async #transaction(operation: string, exchange: Exchange): Promise<Reply> {
    const { headers } = exchange
    const check = this.#cluster.checkCredentials(exchange)
    if (check === 'missing') return refuse('INTERNAL_ERROR', 'no valid Basic authorization')
    if (check === 'wrong') return refuse('ANALYSIS_ERROR', 'Access denied for the user of this request')
    if (headers['transaction_type'] !== undefined) return refuse('INVALID_ARGUMENT', MULTI_STATEMENT)
    const label = header(headers, 'label') ?? ''
    if (label === '') return refuse('INVALID_ARGUMENT', 'empty label')
    if (operation === 'begin') return this.#begin(label, exchange)
    const context = this.#contexts.get(label)
    if (context === undefined) {
      const word = operation === 'load' ? 'Transaction' : 'transaction'
      return refuse('TXN_NOT_EXISTS', `${word} with label ${label} not exists`)
    }
    const database = header(headers, 'db') ?? ''
    if (database !== context.database) {
      return refuse(
        'INVALID_ARGUMENT',
        operation === 'load'
          ? `Request database ${database} not equal transaction database ${context.database}`
          : `request db ${database} transaction db ${context.database} not match`,
      )
    }
    if (context.isBusy) {
      return failureReply({
        status: 'TXN_IN_PROCESSING',
        label,
        message: 'Transaction in processing, please retry later',
      })
    }
    context.isBusy = true
    try {
      if (operation === 'load') return await this.#load(context, exchange)
      if (operation === 'rollback') return this.#rollbackByUser(context)
      return await this.#end(context, operation === 'prepare', header(headers, 'prepared_timeout'))
    } finally {
      context.isBusy = false
      context.lastActiveAt = this.#cluster.clock.now()
    }
  }

  #begin(label: string, exchange: Exchange): Reply {
    const { headers } = exchange
    const held = this.#contexts.get(label)
    if (held !== undefined) return refuse('LABEL_ALREADY_EXISTS', '')
    const timeout = header(headers, 'timeout')
    const idle = header(headers, 'idle_transaction_timeout')
    if (!isSeconds(timeout)) return refuse('INVALID_ARGUMENT', 'Invalid timeout format')
    if (!isSeconds(idle)) return refuse('INVALID_ARGUMENT', 'Invalid idle_transaction_timeout format')
    const database = header(headers, 'db') ?? ''
    const begun = this.#rpc.begin({
      database,
      table: header(headers, 'table') ?? '',
      label,
      timeoutSecond: timeout === undefined ? undefined : Number(timeout),
      backend: this.#index,
    })
    if ('status' in begun) return failureReply(begun)
    const context = new LoadContext({
      label,
      database,
      table: begun.table,
      txnId: begun.transaction.id,
      timeoutMs: begun.timeoutMs,
      idleTimeoutMs: idle === undefined ? undefined : Number(idle) * 1000,
      now: this.#cluster.clock.now(),
    })
    this.#contexts.set(label, context)
    return backendReply({ Status: 'OK', Message: '', Label: label, TxnId: context.txnId, BeginTxnTimeMs: 0 })
  }

  async #load(context: LoadContext, exchange: Exchange): Promise<Reply> {
    const { headers } = exchange
    const table = header(headers, 'table') ?? ''
    const expected = context.table.definition.table
    if (table !== expected) {
      return refuse('INVALID_ARGUMENT', `Request table ${table} not equal transaction table ${expected}`)
    }
    if (context.isFailed) return refuse('ABORTED', 'current transaction is aborted')
    const load = this.#parseHeaders(context, exchange)
    const failure =
      'status' in load ? load : context.admit(load, Number(headers['content-length'] ?? 0), this.#settings)
    if (failure !== undefined) return this.#fail(context, failure)
    if ('status' in load) return failureReply(load)
    let bytes: number
    try {
      bytes = await receiveBody(exchange, context.loaderFor(load, this.#cluster), load.compression)
    } catch (error) {
      if (!(error instanceof BadBody)) throw error
      return this.#fail(context, { status: 'INTERNAL_ERROR', message: error.message })
    }
    if (context.isFailed) return refuse('ABORTED', 'current transaction is aborted')
    context.loadBytes += bytes
    return backendReply({
      Status: 'OK',
      Message: '',
      Label: context.label,
      TxnId: context.txnId,
      LoadBytes: bytes,
      StreamLoadPlanTimeMs: 0,
      ReceivedDataTimeMs: 0,
    })
  }

  #parseHeaders(context: LoadContext, exchange: Exchange): ParsedLoad | BackendFailure {
    try {
      return parseLoadHeaders(exchange.headers, context.table, true)
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error
      const isFormat = error.message.startsWith('unknown data format')
      return { status: isFormat ? 'INTERNAL_ERROR' : 'INVALID_ARGUMENT', message: error.message }
    }
  }

  /** Prepare, or commit without prepare. */
  async #end(context: LoadContext, isPrepare: boolean, preparedTimeout: string | undefined): Promise<Reply> {
    if (preparedTimeout !== undefined && !/^[1-9]\d*$/.test(preparedTimeout)) {
      return refuse('INVALID_ARGUMENT', `Invalid prepared_timeout: ${preparedTimeout}`)
    }
    if (context.isFailed) return refuse('ABORTED', 'transaction is aborted')
    const { loader, txnId, label, loadBytes, database } = context
    if (loader === undefined) {
      const brief = `id=${randomUUID()}, job_id=-1, txn_id=${txnId}, label=${label}, db=${database}`
      return this.#fail(context, { status: 'INTERNAL_ERROR', message: `transaction ${brief} hasn't send any data yet` })
    }
    const result = loader.finish()
    const errorUrl = this.#errorUrl(result)
    const withUrl = errorUrl === undefined ? {} : { errorUrl }
    if (result.isRatioExceeded) {
      return this.#fail(context, { status: 'INTERNAL_ERROR', message: 'too many filtered rows', ...withUrl })
    }
    const refusal = refuseResult(result, context.table, this.#cluster, this.#settings)
    if (refusal !== undefined) return this.#fail(context, { ...refusal, ...withUrl })
    // Whatever comes now, the received data has been used up.
    this.#drop(context)
    let isVisible = true
    if (isPrepare) {
      const seconds = preparedTimeout === undefined ? undefined : Number(preparedTimeout)
      const failure = this.#rpc.prepare(txnId, result, loadBytes, seconds)
      if (failure !== undefined) return this.#fail(context, failure)
    } else {
      const outcome = await this.#rpc.commit(txnId, result, loadBytes)
      if ('status' in outcome) return this.#fail(context, outcome)
      isVisible = outcome.isVisible
    }
    if (!isVisible) return refuse('PUBLISH_TIMEOUT', 'Publish timeout')
    return backendReply({
      Status: 'OK',
      Message: '',
      Label: label,
      TxnId: txnId,
      NumberTotalRows: result.total,
      NumberLoadedRows: result.loaded,
      NumberFilteredRows: result.filtered,
      NumberUnselectedRows: result.unselected,
      LoadBytes: loadBytes,
      LoadTimeMs: this.#cluster.clock.now() - context.beganAt,
      StreamLoadPlanTimeMs: 0,
      ReceivedDataTimeMs: 0,
      WriteDataTimeMs: 0,
      CommitAndPublishTimeMs: 0,
      ...(errorUrl === undefined ? {} : { ErrorURL: errorUrl }),
    })
  }

  #rollbackByUser(context: LoadContext): Reply {
    this.#rollback(context, 'transaction is aborted by user.')
    return backendReply({ Status: 'OK', Message: '', Label: context.label })
  }

  #fail(context: LoadContext, failure: BackendFailure): Reply {
    this.#rollback(context, failure.message)
    return failureReply(failure)
  }

  #rollback(context: LoadContext, reason: string): void {
    context.isFailed = true
    this.#drop(context)
    this.#rpc.rollback(context.txnId, reason)
  }

  /** A restarted backend may hold a new context of the same label. */
  #drop(context: LoadContext): void {
    if (this.#contexts.get(context.label) === context) this.#contexts.delete(context.label)
  }

  #errorUrl(result: LoadResult): string | undefined {
    if (result.errors.length === 0) return undefined
    const file = this.#errorLog.keep(result.errors)
    return `http://${this.#cluster.backendAddress(this.#index)}/api/_load_error_log?file=${file}`
  }

  #readErrorLog(file: string): Reply {
    const body = this.#errorLog.read(file)
    const headers = { 'Content-Type': 'text/plain' }
    return body === undefined ? { status: 404, body: 'no such file', headers } : { status: 200, body, headers }
  }

  #list(): Reply {
    const objects = [...this.#contexts.values()].map((context) =>
      JSON.stringify({
        Status: 'OK',
        InProcessing: context.isBusy,
        Label: context.label,
        TxnId: context.txnId,
        BeginTimestamp: Math.floor(context.beganAt / 1000),
        LastActiveTimestamp: Math.floor(context.lastActiveAt / 1000),
        TransactionTimeoutSec: context.timeoutMs / 1000,
        IdleTransactionTimeoutSec: (context.idleTimeoutMs ?? -1000) / 1000,
      }),
    )
    return { status: 200, body: objects.join('') }
  }

  #scanLater(): void {
    const everyMs = this.#settings.transactionScanIntervalSecond * 1000
    this.#cancelScan = this.#cluster.clock.schedule(everyMs, () => {
      this.#scan()
      this.#scanLater()
    })
  }

  #scan(): void {
    const now = this.#cluster.clock.now()
    for (const context of this.#contexts.values()) {
      const { timeoutMs, idleTimeoutMs, isBusy } = context
      if (now - context.beganAt >= timeoutMs) this.#rollback(context, timeoutReason(context))
      else if (!isBusy && idleTimeoutMs !== undefined && now - context.lastActiveAt >= idleTimeoutMs) {
        this.#rollback(context, `transaction is aborted by idle timeout ${idleTimeoutMs / 1000} seconds.`)
      }
    }
  }
}

function refuse(status: BackendStatus, message: string): Reply {
  return failureReply({ status, message })
}

function timeoutReason(context: LoadContext): string {
  return `transaction is aborted by timeout ${context.timeoutMs / 1000} seconds.`
}

function isSeconds(text: string | undefined): boolean {
  return text === undefined || /^-?\d+$/.test(text)
}
