import type { Cluster } from '../cluster.ts'
import type { Route } from '../gateway.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { header } from '../load-plan.ts'
import { badRequest, commonError, envelope, failedReply, redirect, unauthorized } from './replies.ts'
import { transactionOf } from './two-phase.ts'

type Work = () => Promise<Reply> | Reply

/** The HTTP interface of the frontends: redirects for loads, and questions about labels, tables and backends. */
export class Frontend {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  route(exchange: Exchange, index: number): Route {
    const { path, headers, query, method } = exchange
    const isGet = method === 'GET'
    // The connectors' liveness probe comes without credentials.
    if (path === '/' && isGet) return { run: home }
    if (path === '/api/health' && isGet) return { run: () => this.#health() }
    if (path === '/api/backends' && isGet) return { run: this.#authorized(exchange, () => this.#backends(exchange)) }
    const [, database = '', table, action] = /^\/api\/([^/]+)(?:\/([^/]+))?\/(\w+)$/.exec(path) ?? []
    const label = header(headers, 'label') ?? query.get('label') ?? ''
    const about = { database, label, ...(table === undefined ? {} : { table }) }
    const asLeader = (work: Work): Work =>
      this.#authorized(exchange, () =>
        index === this.#cluster.leader ? work() : redirect(this.#cluster.leaderAddress(), exchange.url, false),
      )
    if (action === '_stream_load' && table !== undefined && method === 'PUT') {
      return { ...about, operation: 'streamLoad', run: this.#authorized(exchange, () => this.#streamLoad(exchange)) }
    }
    if (action === '_stream_load_2pc' && method === 'PUT') {
      const label = transactionOf(this.#cluster, database, headers)?.label ?? about.label
      const run = this.#authorized(exchange, () => this.#twoPhase(exchange))
      return { ...about, label, operation: 'twoPhaseCommit', run }
    }
    if (action === 'get_load_state' && isGet) {
      return { ...about, operation: 'state', run: asLeader(() => this.#state(database, label)) }
    }
    if (action === '_cancel' && method === 'POST') {
      return { ...about, operation: 'cancel', run: asLeader(() => this.#cancel(database, label)) }
    }
    if (action === '_load_info' && isGet) return { ...about, run: asLeader(() => this.#loadInfo(database, label)) }
    if (action === '_schema' && table !== undefined && isGet) {
      const run = this.#authorized(exchange, () => this.#schema(database, table))
      return { ...about, operation: 'schema', run }
    }
    return { run: this.#authorized(exchange, notFound) }
  }

  #authorized(exchange: Exchange, work: Work): Work {
    return () => (this.#cluster.checkCredentials(exchange) === 'good' ? work() : unauthorized())
  }

  #toBackend(exchange: Exchange, close: boolean): Reply {
    const backend = this.#cluster.pickBackend()
    if (backend === undefined) return failedReply('No backend load available')
    return redirect(this.#cluster.backendAddress(backend), exchange.url, close)
  }

  #streamLoad(exchange: Exchange): Reply {
    const { headers } = exchange
    if (headers.expect === undefined) return { ...failedReply('There is no 100-continue header'), close: true }
    const groupCommit = header(headers, 'group_commit')?.toLowerCase()
    if (groupCommit !== undefined && !['sync_mode', 'async_mode', 'off_mode'].includes(groupCommit)) {
      return failedReply('Header `group_commit` can only be `sync_mode`, `async_mode` or `off_mode`.')
    }
    return this.#toBackend(exchange, true)
  }

  #twoPhase(exchange: Exchange): Reply {
    const { headers } = exchange
    if (headers['txn_id'] === undefined && headers['label'] === undefined) {
      return failedReply('No transaction id or label selected.')
    }
    if (headers['txn_operation'] === undefined) {
      return failedReply("No transaction operation('commit' or 'abort') selected.")
    }
    return this.#toBackend(exchange, false)
  }

  #state(database: string, label: string): Reply {
    if (label === '') return badRequest('No label selected')
    if (!this.#cluster.hasDatabase(database)) return commonError(`unknown database, database=${database}`)
    const state = this.#cluster.transactions.newest(database, label)?.state ?? 'UNKNOWN'
    return envelope(state === 'PREPARED' ? 'PRECOMMITTED' : state)
  }

  #cancel(database: string, label: string): Reply {
    if (label === '') return badRequest('No label selected')
    if (!this.#cluster.hasDatabase(database)) return commonError(`unknown database, database=${database}`)
    const transaction = this.#cluster.transactions.newest(database, label)
    if (transaction?.state !== 'PREPARE') return commonError(`running transaction not found, label=${label}`)
    this.#cluster.transactions.abort(transaction, 'user cancel')
    return envelope(null)
  }

  #loadInfo(database: string, label: string): Reply {
    const transaction = this.#cluster.transactions.newest(database, label)
    if (transaction === undefined) return commonError(`label ${label} does not exist`)
    const jobInfo = {
      dbName: database,
      tblNames: [transaction.table.definition.table],
      label,
      clusterName: 'default_cluster',
      state: transaction.state === 'PREPARED' ? 'PRECOMMITTED' : transaction.state,
      failMsg: transaction.reason ?? '',
      trackingUrl: '',
    }
    return { status: 200, body: JSON.stringify({ status: 'OK', msg: 'Success', jobInfo }) }
  }

  #schema(database: string, name: string): Reply {
    const table = this.#cluster.table(database, name)
    if (table === undefined) return commonError(`Unknown table '${database}.${name}'`)
    const properties = table.columns.map((column) => ({
      type: /^\w+/.exec(column.type)?.[0].toUpperCase() ?? '',
      name: column.name,
      comment: '',
      aggregation_type: table.isKeyed && !table.keys.includes(column.name) ? 'REPLACE' : '',
    }))
    return envelope({ properties, keysType: table.isKeyed ? 'UNIQUE_KEYS' : 'DUP_KEYS', status: 200 })
  }

  #backends(exchange: Exchange): Reply {
    const alive = new Set(this.#cluster.aliveBackends())
    const onlyAlive = exchange.query.get('is_alive') === 'true'
    const backends = this.#cluster.backends
      .map((address, index) => {
        const [ip = '', port = ''] = address.split(':')
        return { ip, http_port: Number(port), is_alive: alive.has(index) }
      })
      .filter((backend) => backend.is_alive || !onlyAlive)
    return envelope({ backends })
  }

  #health(): Reply {
    const online = this.#cluster.aliveBackends().length
    return envelope({ online_backend_num: online, total_backend_num: this.#cluster.backends.length })
  }
}

function home(): Reply {
  return { status: 200, body: '<html><body>Doris</body></html>', headers: { 'Content-Type': 'text/html' } }
}

function notFound(): Reply {
  return { status: 404, body: JSON.stringify({ msg: 'Not Found', code: 404, data: null, count: 0 }) }
}
