import { realClock, type EmulatorClock } from './clock.ts'
import type { Dialect } from './column-types.ts'
import { checkCredentials, type CredentialCheck } from './credentials.ts'
import { Faults, type FaultRule } from './faults.ts'
import { Gateway, type Route } from './gateway.ts'
import { HttpListener, type Exchange } from './http-server.ts'
import type { Emulator, EmulatorOptions, EmulatorTable, RequestView, TransactionView } from './options.ts'
import { TableStore } from './table.ts'
import { TransactionTable, viewOf, type TransactionSettings } from './transaction-table.ts'
import type { QueryPort } from './query-port/query-port.ts'

/** Seconds until a frontend notices that a backend is gone. */
const HEARTBEAT_MS = 5_000
const FIRST_TABLET_ID = 10_101

/** What one kind of server adds to a cluster. */
export interface ClusterKind {
  readonly dialect: Dialect
  readonly preparedName: 'PREPARED' | 'PRECOMMITTED'
  readonly drainBytesMax: number
  frontendRoute(exchange: Exchange, index: number): Route
  backendRoute(exchange: Exchange, index: number): Route
  onFrontendRestart(): void
  onBackendRestart(index: number): void
  /** A transaction's timeout struck by a fault rule. */
  onExpire(database: string, label: string): void
  onClose(): void
}

/** What both servers have in common: listeners, tables, transactions, faults, request log. */
export class Cluster {
  readonly clock: EmulatorClock
  readonly mode: 'verify' | 'count'
  readonly settings: TransactionSettings
  readonly transactions: TransactionTable
  readonly faults: Faults = new Faults()
  readonly #options: EmulatorOptions
  readonly #kind: ClusterKind
  readonly #gateway: Gateway
  readonly #frontends: HttpListener[] = []
  readonly #backends: HttpListener[] = []
  readonly #killedAt = new Map<number, number>()
  readonly #tables = new Map<string, TableStore>()
  readonly #databases = new Set<string>()
  #queryPort: QueryPort | undefined
  #leader = 0
  #nextBackend = 0

  constructor(options: EmulatorOptions, settings: TransactionSettings, makeKind: (cluster: Cluster) => ClusterKind) {
    this.#options = options
    this.settings = settings
    this.clock = options.clock ?? realClock()
    this.mode = options.mode ?? 'verify'
    this.transactions = new TransactionTable(this.clock, () => settings)
    this.#gateway = new Gateway(this.faults, this.clock, {
      expireTransaction: (database, label) => this.expire(database, label),
      evictLabel: (database, label) => this.transactions.evict(database, label),
      restartFrontend: () => this.restartFrontend(),
    })
    this.#kind = makeKind(this)
    for (const table of options.tables ?? []) this.createTable(table)
  }

  get account(): { readonly username: string; readonly password: string } {
    return { username: this.#options.username ?? 'root', password: this.#options.password ?? '' }
  }

  /** Port of the MySQL protocol; 0 when the options did not ask for one. */
  get queryPort(): number {
    return this.#queryPort?.port ?? 0
  }

  get databases(): readonly string[] {
    return [...new Set([...this.#databases, ...this.tables.map(({ definition }) => definition.database)])]
  }

  get leader(): number {
    return this.#leader
  }

  get tables(): readonly TableStore[] {
    return [...this.#tables.values()]
  }

  get urls(): readonly string[] {
    const urls = this.#frontends.map((frontend) => `http://${frontend.address}`)
    return [...urls.slice(this.#leader), ...urls.slice(0, this.#leader)]
  }

  get backends(): readonly string[] {
    return this.#backends.map((backend) => backend.address)
  }

  async start(): Promise<void> {
    const { host = '127.0.0.1', frontendPort = 0, followerFrontends = 0, backends = 2 } = this.#options
    const { drainBytesMax } = this.#kind
    for (let index = 0; index <= followerFrontends; index += 1) {
      const port = index === 0 ? frontendPort : 0
      const answer = (exchange: Exchange): ReturnType<Gateway['answer']> =>
        this.#gateway.answer({ role: 'frontend', index }, exchange, this.#kind.frontendRoute(exchange, index))
      this.#frontends.push(new HttpListener({ host, port, drainBytesMax, answer }))
    }
    for (let index = 0; index < backends; index += 1) {
      const answer = (exchange: Exchange): ReturnType<Gateway['answer']> =>
        this.#gateway.answer({ role: 'backend', index }, exchange, this.#kind.backendRoute(exchange, index))
      this.#backends.push(new HttpListener({ host, port: 0, drainBytesMax, answer }))
    }
    for (const listener of [...this.#frontends, ...this.#backends]) await listener.listen()
    const { queryPort } = this.#options
    if (queryPort === undefined) return
    // Its libraries are loaded only where somebody asks.
    const { startQueryPort } = await import('./query-port/query-port.ts')
    this.#queryPort = await startQueryPort(this, host, queryPort)
  }

  checkCredentials(exchange: Exchange): CredentialCheck {
    const { username, password } = this.account
    return checkCredentials(exchange.headers, username, password)
  }

  hasDatabase(database: string): boolean {
    if (this.#options.createTables === true) return true
    return this.databases.includes(database)
  }

  createDatabase(database: string): void {
    this.#databases.add(database)
  }

  dropDatabase(database: string): void {
    for (const { definition } of this.tables) {
      if (definition.database === database) this.dropTable(database, definition.table)
    }
    this.#databases.delete(database)
  }

  dropTable(database: string, table: string): void {
    this.#tables.delete(`${database}.${table}`)
  }

  table(database: string, table: string): TableStore | undefined {
    return this.#tables.get(`${database}.${table}`)
  }

  /** The table, created now if the options say so. */
  tableForLoad(database: string, table: string): TableStore | undefined {
    const known = this.table(database, table)
    if (known !== undefined || this.#options.createTables !== true) return known
    return this.#addTable({ database, table, columns: [], model: 'duplicate' }, true)
  }

  createTable(definition: EmulatorTable): void {
    this.#addTable(definition, false)
  }

  /** Backends that the frontends believe to be alive. */
  aliveBackends(): readonly number[] {
    const now = this.clock.now()
    return this.#backends
      .map((_, index) => index)
      .filter((index) => now - (this.#killedAt.get(index) ?? now) < HEARTBEAT_MS)
  }

  /** Round robin over the living ones. */
  pickBackend(): number | undefined {
    const alive = this.aliveBackends()
    this.#nextBackend += 1
    return alive[this.#nextBackend % alive.length]
  }

  backendAddress(index: number): string {
    return this.#backends[index]?.address ?? ''
  }

  leaderAddress(): string {
    return this.#frontends[this.#leader]?.address ?? ''
  }

  requests(): readonly RequestView[] {
    return this.#gateway.requests()
  }

  transactionViews(): readonly TransactionView[] {
    return this.transactions.all().map((transaction) => viewOf(transaction, this.#kind.preparedName))
  }

  expire(database: string, label: string): void {
    const transaction = this.transactions.newest(database, label)
    if (transaction !== undefined) this.transactions.expire(transaction)
    this.#kind.onExpire(database, label)
  }

  restartFrontend(): void {
    this.transactions.restart()
    this.#kind.onFrontendRestart()
    this.#frontends[this.#leader]?.dropConnections()
  }

  switchLeader(): void {
    this.restartFrontend()
    this.#leader = (this.#leader + 1) % this.#frontends.length
  }

  async restartBackend(index: number): Promise<void> {
    this.#kind.onBackendRestart(index)
    this.#killedAt.delete(index)
    this.#backends[index]?.dropConnections()
    await this.#backends[index]?.listen()
  }

  async killBackend(index: number): Promise<void> {
    this.#killedAt.set(index, this.clock.now())
    this.#kind.onBackendRestart(index)
    await this.#backends[index]?.stop()
  }

  async close(): Promise<void> {
    this.transactions.close()
    this.#kind.onClose()
    await this.#queryPort?.close()
    for (const listener of [...this.#frontends, ...this.#backends]) await listener.stop()
  }

  #addTable(definition: EmulatorTable, isOpen: boolean): TableStore {
    const tabletId = FIRST_TABLET_ID + this.#tables.size
    const store = new TableStore(definition, { dialect: this.#kind.dialect, tabletId, isOpen })
    this.#tables.set(`${definition.database}.${definition.table}`, store)
    return store
  }
}

/** The emulator as tests see it. */
export function emulatorOf(cluster: Cluster, control: { readonly url: string; close(): Promise<void> }): Emulator {
  const rowsOf = (database: string, table: string): TableStore | undefined => cluster.table(database, table)
  const close = async (): Promise<void> => {
    await control.close()
    await cluster.close()
  }
  return {
    get urls() {
      return cluster.urls
    },
    get backends() {
      return cluster.backends
    },
    controlUrl: control.url,
    queryPort: cluster.queryPort,
    rows: (database, table) => rowsOf(database, table)?.rows() ?? [],
    rowCount: (database, table) => rowsOf(database, table)?.rowCount ?? 0,
    transactions: () => cluster.transactionViews(),
    requests: () => cluster.requests(),
    addFault: (rule: FaultRule) => cluster.faults.add(rule),
    removeFault: (id) => cluster.faults.remove(id),
    restartFrontend: () => cluster.restartFrontend(),
    switchLeader: () => cluster.switchLeader(),
    restartBackend: (index) => cluster.restartBackend(index),
    killBackend: (index) => cluster.killBackend(index),
    close,
    [Symbol.asyncDispose]: close,
  }
}
