import type { EmulatorClock } from './clock.ts'
import type { TransactionView, TransactionViewState } from './options.ts'
import type { Delta, TableStore } from './table.ts'

/** `PREPARED` is what Doris calls PRECOMMITTED. */
export type TransactionState = 'PREPARE' | 'PREPARED' | 'COMMITTED' | 'VISIBLE' | 'ABORTED'

export interface Transaction {
  readonly id: number
  readonly database: string
  readonly label: string
  readonly table: TableStore
  readonly coordinator: number
  readonly beganAt: number
  state: TransactionState
  preparedAt?: number
  committedAt?: number
  finishedAt?: number
  reason?: string
  loadedRows: number
  loadedBytes: number
  deltas: readonly Delta[]
  cancelTimer: () => void
}

/** Settings of the frontend's transaction manager that both servers have. Read at every use: they may be changed. */
export interface TransactionSettings {
  /** Time from commit to visible. */
  publishDelayMs: number
  /** Seconds that a finished transaction is remembered. */
  labelKeepMaxSecond: number
  /** Transactions remembered per database. */
  labelKeepMaxNum: number
  /** Whether unfinished ones count towards `labelKeepMaxNum`. */
  doesLabelCountIncludeRunning: boolean
  /** Unmerged versions that compaction removes from a tablet per second. */
  compactionVersionsPerSecond: number
}

export interface BeginRequest {
  readonly database: string
  readonly label: string
  readonly table: TableStore
  readonly coordinator: number
  readonly timeoutMs: number
}

/**
 * The frontend's transactions.
 *
 *     begin → PREPARE → prepare → PREPARED → commit → COMMITTED → publish → VISIBLE
 *                │  └──────────── commit ────────────────┘
 *                └── abort, timeout ──→ ABORTED ←── abort, timeout ── PREPARED
 *
 * PREPARE lives in memory only; everything later is journaled and survives `restart`.
 */
export class TransactionTable {
  readonly #clock: EmulatorClock
  readonly #settings: () => TransactionSettings
  readonly #byId = new Map<number, Transaction>()
  readonly #byLabel = new Map<string, Transaction[]>()
  /** Finished ones of each database, oldest first. */
  readonly #finished = new Map<string, Set<Transaction>>()
  /** Told of every transaction that label clean-up, eviction or a restart forgets. */
  onForget: (transaction: Transaction) => void = () => undefined
  #waiters: (() => void)[] = []
  #nextId = 1001

  constructor(clock: EmulatorClock, settings: () => TransactionSettings) {
    this.#clock = clock
    this.#settings = settings
  }

  /** The newest transaction of a label. */
  newest(database: string, label: string): Transaction | undefined {
    this.#sweep(database)
    return this.#byLabel.get(`${database}\n${label}`)?.at(-1)
  }

  byId(id: number): Transaction | undefined {
    const transaction = this.#byId.get(id)
    if (transaction !== undefined) this.#sweep(transaction.database)
    return this.#byId.get(id)
  }

  all(): readonly Transaction[] {
    return [...this.#byId.values()]
  }

  running(database: string): number {
    let count = 0
    for (const { database: other, state } of this.#byId.values()) {
      if (other === database && state !== 'VISIBLE' && state !== 'ABORTED') count += 1
    }
    return count
  }

  /** The caller has checked that the label is free. */
  begin(request: BeginRequest): Transaction {
    const { timeoutMs, ...rest } = request
    const transaction: Transaction = {
      ...rest,
      id: this.#nextId,
      beganAt: this.#clock.now(),
      state: 'PREPARE',
      loadedRows: 0,
      loadedBytes: 0,
      deltas: [],
      cancelTimer: () => undefined,
    }
    this.#nextId += 1
    this.#arm(transaction, timeoutMs)
    this.#byId.set(transaction.id, transaction)
    const key = `${request.database}\n${request.label}`
    const sameLabel = this.#byLabel.get(key)
    if (sameLabel === undefined) this.#byLabel.set(key, [transaction])
    else sameLabel.push(transaction)
    this.#sweep(request.database)
    return transaction
  }

  prepare(transaction: Transaction, timeoutMs: number): void {
    transaction.state = 'PREPARED'
    transaction.preparedAt = this.#clock.now()
    transaction.cancelTimer()
    this.#arm(transaction, timeoutMs)
  }

  commit(transaction: Transaction): void {
    transaction.cancelTimer()
    transaction.state = 'COMMITTED'
    transaction.committedAt = this.#clock.now()
    const { publishDelayMs } = this.#settings()
    if (publishDelayMs <= 0) this.#publish(transaction)
    else transaction.cancelTimer = this.#clock.schedule(publishDelayMs, () => this.#publish(transaction))
  }

  /** The caller has checked that it may still be aborted. */
  abort(transaction: Transaction, reason: string): void {
    transaction.cancelTimer()
    transaction.reason = reason
    transaction.deltas = []
    this.#finish(transaction, 'ABORTED')
  }

  /** Waits until the transaction is visible, at most `timeoutMs`; says whether it is. */
  waitVisible(transaction: Transaction, timeoutMs: number): Promise<boolean> {
    if (transaction.state !== 'COMMITTED' || timeoutMs <= 0) return Promise.resolve(transaction.state === 'VISIBLE')
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(timeoutMs, () => resolve(false))
      const check = (): void => {
        if (transaction.state === 'COMMITTED') this.#waiters.push(check)
        else {
          cancel()
          resolve(true)
        }
      }
      this.#waiters.push(check)
    })
  }

  /** What a new leader knows: everything but PREPARE. */
  restart(): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.state === 'PREPARE') this.#forget(transaction)
    }
  }

  /** Forgets all transactions of a label, whatever their state. */
  evict(database: string, label: string): void {
    for (const transaction of this.#byLabel.get(`${database}\n${label}`)?.slice() ?? []) this.#forget(transaction)
  }

  /** Its timeout strikes now. */
  expire(transaction: Transaction): void {
    if (transaction.state === 'PREPARE' || transaction.state === 'PREPARED') {
      this.abort(transaction, 'timeout by txn manager')
    }
  }

  close(): void {
    for (const transaction of this.#byId.values()) transaction.cancelTimer()
  }

  #arm(transaction: Transaction, timeoutMs: number): void {
    transaction.cancelTimer = this.#clock.schedule(timeoutMs, () => this.expire(transaction))
  }

  #publish(transaction: Transaction): void {
    const now = this.#clock.now()
    const drain = this.#settings().compactionVersionsPerSecond
    for (const delta of transaction.deltas) transaction.table.apply(delta, now, drain)
    transaction.deltas = []
    this.#finish(transaction, 'VISIBLE')
  }

  #finish(transaction: Transaction, state: 'VISIBLE' | 'ABORTED'): void {
    transaction.state = state
    transaction.finishedAt = this.#clock.now()
    const finished = this.#finished.get(transaction.database) ?? new Set()
    if (this.#byId.has(transaction.id)) this.#finished.set(transaction.database, finished.add(transaction))
    this.#sweep(transaction.database)
    const waiters = this.#waiters
    this.#waiters = []
    for (const check of waiters) check()
  }

  /** Label clean-up: by age, and by count whatever the age. */
  #sweep(database: string): void {
    const settings = this.#settings()
    const finished = this.#finished.get(database)
    if (finished === undefined) return
    const oldestKept = this.#clock.now() - settings.labelKeepMaxSecond * 1000
    let count = finished.size
    if (settings.doesLabelCountIncludeRunning && count > 0) count += this.running(database)
    for (const transaction of finished) {
      if (count <= settings.labelKeepMaxNum && (transaction.finishedAt ?? 0) >= oldestKept) break
      this.#forget(transaction)
      count -= 1
    }
  }

  #forget(transaction: Transaction): void {
    // A forgotten label does not stop a publish that is under way.
    if (transaction.state !== 'COMMITTED') transaction.cancelTimer()
    this.#byId.delete(transaction.id)
    this.onForget(transaction)
    this.#finished.get(transaction.database)?.delete(transaction)
    const key = `${transaction.database}\n${transaction.label}`
    const left = (this.#byLabel.get(key) ?? []).filter((other) => other !== transaction)
    if (left.length === 0) this.#byLabel.delete(key)
    else this.#byLabel.set(key, left)
  }
}

export function viewOf(transaction: Transaction, preparedName: TransactionViewState): TransactionView {
  const { id, database, label, coordinator, beganAt, preparedAt, committedAt, finishedAt, reason } = transaction
  return {
    id,
    database,
    label,
    table: transaction.table.definition.table,
    state: transaction.state === 'PREPARED' ? preparedName : transaction.state,
    coordinator,
    beganAt,
    ...(preparedAt === undefined ? {} : { preparedAt }),
    ...(committedAt === undefined ? {} : { committedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(reason === undefined ? {} : { reason }),
    loadedRows: transaction.loadedRows,
    loadedBytes: transaction.loadedBytes,
  }
}
