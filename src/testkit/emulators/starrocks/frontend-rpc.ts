import type { Cluster } from '../cluster.ts'
import type { LoadResult } from '../row-loader.ts'
import type { TableStore } from '../table.ts'
import type { Transaction } from '../transaction-table.ts'
import type { BackendFailure } from './replies.ts'
import { LOAD_TIMEOUT_MAX_SECOND, type StarRocksSettings } from './settings.ts'

/** A database's id in error texts; only its presence matters. */
const DATABASE_ID = 10_002

export interface RpcBegin {
  readonly database: string
  readonly table: string
  readonly label: string
  readonly timeoutSecond: number | undefined
  readonly backend: number
}

/** What backends ask the leader frontend over Thrift: begin, prepare, commit and roll back. */
export class FrontendRpc {
  readonly #cluster: Cluster
  readonly #settings: StarRocksSettings

  constructor(cluster: Cluster, settings: StarRocksSettings) {
    this.#cluster = cluster
    this.#settings = settings
  }

  begin(request: RpcBegin): { transaction: Transaction; table: TableStore; timeoutMs: number } | BackendFailure {
    const { database, label, timeoutSecond = this.#settings.streamLoadDefaultTimeoutSecond } = request
    if (!this.#cluster.hasDatabase(database)) return analysis(`unknown database, database=${database}`)
    const table = this.#cluster.tableForLoad(database, request.table)
    if (table === undefined) return analysis(`unknown table ${database}.${request.table}`)
    if (timeoutSecond < 1 || timeoutSecond > LOAD_TIMEOUT_MAX_SECOND) {
      return analysis(`Invalid timeout. Timeout should between 1 and ${LOAD_TIMEOUT_MAX_SECOND} seconds`)
    }
    const { transactions } = this.#cluster
    const existing = transactions.newest(database, label)
    if (existing !== undefined && existing.state !== 'ABORTED') {
      const isFinished = existing.state === 'COMMITTED' || existing.state === 'VISIBLE'
      return {
        status: 'LABEL_ALREADY_EXISTS',
        message: `Label [${label}] has already been used.`,
        existingJobStatus: isFinished ? 'FINISHED' : 'RUNNING',
      }
    }
    const running = transactions.running(database)
    const limit = this.#settings.maxRunningTxnNumPerDb
    if (running >= limit) {
      return analysis(`current running txns on db ${DATABASE_ID} is ${running}, larger than limit ${limit}`)
    }
    const timeoutMs = timeoutSecond * 1000
    const transaction = transactions.begin({
      database,
      label,
      table,
      coordinator: request.backend,
      timeoutMs,
    })
    return { transaction, table, timeoutMs }
  }

  prepare(
    id: number,
    result: LoadResult,
    bytes: number,
    timeoutSecond: number | undefined,
  ): BackendFailure | undefined {
    const transaction = this.#open(id)
    if ('status' in transaction) return transaction
    hand(transaction, result, bytes)
    const second = timeoutSecond ?? this.#settings.preparedTransactionDefaultTimeoutSecond
    this.#cluster.transactions.prepare(transaction, second * 1000)
    return undefined
  }

  /** Commits and waits for the publish; `isVisible` false means that it is committed all the same. */
  async commit(id: number, result: LoadResult, bytes: number): Promise<{ isVisible: boolean } | BackendFailure> {
    const transaction = this.#open(id)
    if ('status' in transaction) return transaction
    hand(transaction, result, bytes)
    this.#cluster.transactions.commit(transaction)
    const timeoutMs = this.#settings.streamLoadPublishTimeoutSecond * 1000
    return { isVisible: await this.#cluster.transactions.waitVisible(transaction, timeoutMs) }
  }

  /** Does nothing for what is not PREPARE any more. */
  rollback(id: number, reason: string): void {
    const transaction = this.#cluster.transactions.byId(id)
    if (transaction?.state === 'PREPARE') this.#cluster.transactions.abort(transaction, reason)
  }

  #open(id: number): Transaction | BackendFailure {
    const transaction = this.#cluster.transactions.byId(id)
    if (transaction === undefined) return analysis('transaction not found')
    if (transaction.state === 'PREPARE') return transaction
    const state = transaction.state.toLowerCase()
    return analysis(`transaction [${id}] is already ${state}. abort reason: ${transaction.reason ?? ''}`)
  }
}

function hand(transaction: Transaction, result: LoadResult, bytes: number): void {
  transaction.deltas = [result.delta]
  transaction.loadedRows = result.loaded
  transaction.loadedBytes = bytes
}

function analysis(message: string): BackendFailure {
  return { status: 'ANALYSIS_ERROR', message }
}
