import type { Cluster } from '../cluster.ts'
import { userOf } from '../credentials.ts'
import type { Operation } from '../faults.ts'
import type { Route } from '../gateway.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { header } from '../load-plan.ts'
import type { Transaction } from '../transaction-table.ts'
import { CoordinatorCache } from './coordinator-cache.ts'
import { frontendResult, genericReply, nodesReply, notImplemented, redirect, unauthorized } from './replies.ts'
import type { StarRocksSettings } from './settings.ts'

const TRANSACTION_OPERATIONS: ReadonlySet<string> = new Set(['begin', 'load', 'prepare', 'commit', 'rollback'])
/** Default of the commit's `timeout` header: how long to wait for the publish. */
const COMMIT_TIMEOUT_SECOND = 20

/** The HTTP interface of the frontends. Followers send most calls to the leader; the leader sends loads to backends. */
export class Frontend {
  readonly #cluster: Cluster
  readonly #settings: StarRocksSettings
  readonly #coordinators: CoordinatorCache
  /** Outcomes of forgotten labels: whether they were committed. */
  readonly #outcomes = new Map<string, boolean>()

  constructor(cluster: Cluster, settings: StarRocksSettings) {
    this.#cluster = cluster
    this.#settings = settings
    this.#coordinators = new CoordinatorCache(cluster.clock, settings)
    cluster.transactions.onForget = (transaction) => this.#remember(transaction)
  }

  /** Its memory is lost. */
  restart(): void {
    this.#coordinators.clear()
    this.#outcomes.clear()
  }

  route(exchange: Exchange, index: number): Route {
    const { path, headers, query } = exchange
    const asLeader =
      (work: () => Promise<Reply> | Reply): (() => Promise<Reply> | Reply) =>
      () =>
        this.#authorized(exchange, () =>
          index === this.#cluster.leader ? work() : redirect(this.#cluster.leaderAddress(), exchange.url, false),
        )
    const transaction = /^\/api\/transaction\/(\w+)$/.exec(path)?.[1]
    if (transaction !== undefined) {
      const isMethodRight = exchange.method === 'POST' || (transaction === 'load' && exchange.method === 'PUT')
      if (!isMethodRight) return { run: notImplemented }
      return {
        ...(TRANSACTION_OPERATIONS.has(transaction) ? { operation: transaction as Operation } : {}),
        database: header(headers, 'db') ?? '',
        table: header(headers, 'table') ?? '',
        label: header(headers, 'label') ?? '',
        run: asLeader(() => this.#transaction(transaction, exchange)),
      }
    }
    const [, database = '', name, action] = /^\/api\/([^/]+)(?:\/([^/]+))?\/(\w+)$/.exec(path) ?? []
    const about = { database, label: query.get('label') ?? '' }
    if (action === '_stream_load' && name !== undefined && exchange.method === 'PUT') {
      const label = header(headers, 'label') ?? ''
      const run = (): Promise<Reply> | Reply => this.#authorized(exchange, () => this.#streamLoad(exchange))
      return { operation: 'streamLoad', database, table: name, label, run }
    }
    if (action === 'get_load_state' && exchange.method === 'GET') {
      return { operation: 'state', ...about, run: asLeader(() => this.#state(database, about.label)) }
    }
    if (action === '_cancel' && exchange.method === 'POST') {
      const label = about.label === '' ? (name ?? '') : about.label
      return { operation: 'cancel', database, label, run: asLeader(() => this.#cancel(database, label)) }
    }
    if (action === '_load_info' && exchange.method === 'GET') {
      return { ...about, run: asLeader(() => this.#loadInfo(database, about.label)) }
    }
    if (action === '_schema' && name !== undefined && exchange.method === 'GET') {
      const run = (): Promise<Reply> | Reply => this.#authorized(exchange, () => this.#schema(database, name))
      return { operation: 'schema', database, table: name, run }
    }
    if (path === '/api/health') return { run: () => this.#health() }
    if (path === '/api/v2/backend' && exchange.method === 'GET') {
      return { run: () => this.#authorized(exchange, () => nodesReply(this.#cluster.backends)) }
    }
    if (path === '/api/v2/computeNode' && exchange.method === 'GET') {
      return { run: () => this.#authorized(exchange, () => nodesReply([])) }
    }
    return { run: () => this.#authorized(exchange, notImplemented) }
  }

  #authorized(exchange: Exchange, work: () => Promise<Reply> | Reply): Promise<Reply> | Reply {
    const check = this.#cluster.checkCredentials(exchange)
    return check === 'good' ? work() : unauthorized(userOf(exchange.headers), check === 'wrong')
  }

  #failed(message: string): Reply {
    return frontendResult({ Status: 'FAILED', Message: `class ${this.#settings.exceptionClass}: ${message}` })
  }

  #transaction(operation: string, exchange: Exchange): Promise<Reply> | Reply {
    const { headers } = exchange
    const database = header(headers, 'db') ?? ''
    const label = header(headers, 'label') ?? ''
    if (database === '') return this.#failed('No database selected.')
    if (label === '') return this.#failed('Empty label.')
    if (!TRANSACTION_OPERATIONS.has(operation)) return this.#failed(`Unknown transaction operation: ${operation}`)
    const hasChannelId = headers['channel_id'] !== undefined
    const hasChannelNum = headers['channel_num'] !== undefined
    if (hasChannelNum && !hasChannelId) return this.#failed('Must provide channel_id when stream load begin.')
    if (operation === 'begin' && hasChannelId && !hasChannelNum) {
      return this.#failed('Must provide channel_num when stream load begin.')
    }
    if (!this.#cluster.hasDatabase(database)) return this.#failed(`Database[${database}] does not exist.`)
    if (hasChannelId || headers['transaction_type'] !== undefined) {
      return this.#failed('multi-statement and parallel transactions are not known to this emulator')
    }
    if (operation === 'begin') return this.#begin(database, label, exchange)
    const transaction = this.#cluster.transactions.newest(database, label)
    if (operation === 'commit') return this.#commit(database, label, transaction, exchange)
    if (operation === 'rollback') return this.#rollback(database, label, transaction, exchange)
    return this.#toCoordinator(database, label, transaction, exchange)
  }

  #begin(database: string, label: string, exchange: Exchange): Reply {
    const cached = this.#settings.isBeginSticky ? this.#coordinators.get(database, label) : undefined
    const isCachedAlive = cached !== undefined && this.#cluster.aliveBackends().includes(cached)
    const backend = isCachedAlive ? cached : this.#cluster.pickBackend()
    if (backend === undefined) return this.#failed('No backend alive.')
    this.#coordinators.set(database, label, backend)
    return redirect(this.#cluster.backendAddress(backend), exchange.url, false)
  }

  #toCoordinator(database: string, label: string, transaction: Transaction | undefined, exchange: Exchange): Reply {
    const backend = this.#coordinators.get(database, label) ?? transaction?.coordinator
    if (backend === undefined) {
      return this.#failed(
        `Can't find the transaction with db [${database}] and label[${label}]. ` +
          'The possible reasons: 1. FE leader is started or switched; 2. The transaction timeouts and is cleaned.',
      )
    }
    return redirect(this.#cluster.backendAddress(backend), exchange.url, false)
  }

  #unknown(database: string, label: string): Reply {
    const isCached = this.#coordinators.get(database, label) !== undefined
    return this.#failed(
      isCached
        ? `No transaction found by label ${label}`
        : `No transaction found with db[${database}] and label[${label}]`,
    )
  }

  async #commit(
    database: string,
    label: string,
    transaction: Transaction | undefined,
    exchange: Exchange,
  ): Promise<Reply> {
    if (transaction === undefined) return this.#commitForgotten(database, label)
    const { id, state } = transaction
    if (state === 'PREPARE') return this.#toCoordinator(database, label, transaction, exchange)
    if (state === 'ABORTED') return this.#failed(`Can not commit ABORTED transaction ${id}, label is ${label}`)
    if (state !== 'PREPARED') {
      return ok(`Transaction ${id} has already committed, label is ${label}`, id, label)
    }
    this.#cluster.transactions.commit(transaction)
    const timeoutMs = Number(header(exchange.headers, 'timeout') ?? COMMIT_TIMEOUT_SECOND) * 1000
    const isVisible = await this.#cluster.transactions.waitVisible(transaction, timeoutMs)
    return isVisible ? ok('', id, label) : this.#failed(`publish timeout: ${timeoutMs}`)
  }

  #commitForgotten(database: string, label: string): Reply {
    const isCommitted = this.#outcomes.get(`${database}\n${label}`)
    if (isCommitted === undefined) return this.#unknown(database, label)
    if (!isCommitted) return this.#failed(`Can not commit ABORTED transaction, label is ${label}`)
    const Message = `Transaction has already committed, label is ${label}`
    return frontendResult({ Status: 'OK', Message, Label: label })
  }

  #remember(transaction: Transaction): void {
    const { database, label, state } = transaction
    if (state === 'PREPARE' || state === 'PREPARED') return
    this.#outcomes.set(`${database}\n${label}`, state !== 'ABORTED')
    const oldest = this.#outcomes.keys().next()
    const isFull = this.#outcomes.size > this.#settings.terminalLabelCacheNum
    if (isFull && oldest.done !== true) this.#outcomes.delete(oldest.value)
  }

  #rollback(database: string, label: string, transaction: Transaction | undefined, exchange: Exchange): Reply {
    if (transaction === undefined) return this.#unknown(database, label)
    const { id, state } = transaction
    if (state === 'PREPARE') return this.#toCoordinator(database, label, transaction, exchange)
    if (state === 'ABORTED') return ok(`Transaction ${id} has already aborted, label is ${label}`, id, label)
    if (state !== 'PREPARED') return this.#failed(`Can not abort ${state} transaction ${id}, label is ${label}`)
    this.#cluster.transactions.abort(transaction, 'User Aborted')
    return ok('', id, label)
  }

  #streamLoad(exchange: Exchange): Reply {
    if (!exchange.expectsContinue && !exchange.isHttp10) {
      const message = 'class com.starrocks.common.DdlException: There is no 100-continue header'
      return { ...frontendResult({ Status: 'FAILED', Message: message }), close: true }
    }
    const isMerged = header(exchange.headers, 'enable_merge_commit') === 'true'
    if (isMerged) return { ...this.#failed('merge commit is not known to this emulator'), close: true }
    const backend = this.#cluster.pickBackend()
    if (backend === undefined) return { ...this.#failed('No backend alive.'), close: true }
    return redirect(this.#cluster.backendAddress(backend), exchange.url, true)
  }

  #state(database: string, label: string): Reply {
    if (label === '') return genericReply('FAILED', 'No label selected.')
    if (!this.#cluster.hasDatabase(database)) return unknownDatabase(database)
    const transaction = this.#cluster.transactions.newest(database, label)
    const reason = transaction?.reason === undefined ? {} : { reason: transaction.reason }
    return genericReply('OK', 'Success', { state: transaction?.state ?? 'UNKNOWN', ...reason })
  }

  #cancel(database: string, label: string): Reply {
    if (!this.#cluster.hasDatabase(database)) return unknownDatabase(database)
    const transaction = this.#cluster.transactions.newest(database, label)
    if (transaction?.state !== 'PREPARE') {
      return genericReply('FAILED', `running transaction not found, label=${label}`)
    }
    this.#cluster.transactions.abort(transaction, 'user cancel')
    return genericReply('OK', 'Success')
  }

  #loadInfo(database: string, label: string): Reply {
    if (!this.#cluster.hasDatabase(database)) return unknownDatabase(database)
    const transaction = this.#cluster.transactions.newest(database, label)
    if (transaction === undefined) return genericReply('FAILED', `label ${label} does not exist`)
    const jobInfo = {
      dbName: database,
      tblNames: [transaction.table.definition.table],
      label,
      clusterName: '',
      state: transaction.state,
      failMsg: transaction.reason ?? '',
      trackingUrl: '',
    }
    return genericReply('OK', 'Success', { jobInfo })
  }

  #schema(database: string, name: string): Reply {
    const table = this.#cluster.table(database, name)
    if (table === undefined) return { ...genericReply('FAILED', `Table [${name}] does not exist`), status: 404 }
    const properties = table.columns.map((column) => ({
      name: column.name,
      type: /^\w+/.exec(column.type)?.[0].toUpperCase() ?? '',
      comment: '',
    }))
    const keysType = table.isKeyed ? 'PRIMARY_KEYS' : 'DUP_KEYS'
    return { status: 200, body: JSON.stringify({ status: 200, keysType, properties }) }
  }

  #health(): Reply {
    const online = this.#cluster.aliveBackends().length
    const body = { online_backend_num: online, total_backend_num: this.#cluster.backends.length, status: 'OK' }
    return { status: 200, body: JSON.stringify(body) }
  }
}

function ok(message: string, id: number, label: string): Reply {
  return frontendResult({ Status: 'OK', Message: message, TxnId: id, Label: label })
}

function unknownDatabase(database: string): Reply {
  return genericReply('FAILED', `unknown database, database=${database}`)
}
