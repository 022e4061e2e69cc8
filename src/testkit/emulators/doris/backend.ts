import type { Cluster } from '../cluster.ts'
import { ErrorLog } from '../error-log.ts'
import type { Route } from '../gateway.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { header } from '../load-plan.ts'
import type { LoadResult } from '../row-loader.ts'
import type { DorisSettings } from './settings.ts'
import { streamLoad } from './stream-load.ts'
import { transactionOf, twoPhaseCommit } from './two-phase.ts'

/** One backend. It takes any load and any 2PC call: transactions are the frontend's. */
export class Backend {
  readonly #cluster: Cluster
  readonly #settings: DorisSettings
  readonly #index: number
  readonly #errorLog = new ErrorLog()

  constructor(cluster: Cluster, settings: DorisSettings, index: number) {
    this.#cluster = cluster
    this.#settings = settings
    this.#index = index
  }

  route(exchange: Exchange): Route {
    const { path, headers } = exchange
    if (path === '/api/_load_error_log') return { run: () => this.#readErrorLog(exchange.query.get('file') ?? '') }
    const [, database = '', table, action] = /^\/api\/([^/]+)(?:\/([^/]+))?\/(\w+)$/.exec(path) ?? []
    const label = header(headers, 'label') ?? ''
    if (action === '_stream_load' && table !== undefined && exchange.method === 'PUT') {
      const environment = {
        cluster: this.#cluster,
        settings: this.#settings,
        backend: this.#index,
        errorUrl: (result: LoadResult) => this.#errorUrl(result),
      }
      const run = (): Promise<Reply> => streamLoad(environment, exchange, database, table)
      return { operation: 'streamLoad', database, table, label, run }
    }
    if (action === '_stream_load_2pc' && exchange.method === 'PUT') {
      const transaction = transactionOf(this.#cluster, database, headers)
      const run = (): Reply => twoPhaseCommit(this.#cluster, exchange, database)
      return { operation: 'twoPhaseCommit', database, label: transaction?.label ?? label, run }
    }
    return { run: () => ({ status: 404, body: '' }) }
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
}
