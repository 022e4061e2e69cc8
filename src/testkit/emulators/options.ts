import type { EmulatorClock } from './clock.ts'
import type { FaultRule } from './faults.ts'

export interface EmulatorColumn {
  readonly name: string
  /** SQL type text such as `BIGINT`, `DECIMAL(12,2)`, `DATETIME`, `VARCHAR(20)`, `BOOLEAN`, `DOUBLE`, `JSON`. */
  readonly type: string
  /** Default true. */
  readonly nullable?: boolean
}

export interface EmulatorTable {
  readonly database: string
  readonly table: string
  readonly columns: readonly EmulatorColumn[]
  /** `primary`: StarRocks Primary Key, Doris Unique Key. `duplicate`: rows are only ever added. */
  readonly model: 'duplicate' | 'primary'
  /** Key columns of a `primary` table; the first column when left out. */
  readonly keys?: readonly string[]
  /** Doris Unique Key tables: of two rows with one key, the one with the larger value stays. */
  readonly sequenceColumn?: string
}

export interface EmulatorOptions<Settings extends object = object> {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 (the default) takes a free port. */
  readonly frontendPort?: number
  /** Port of the MySQL protocol, for SELECT and CREATE TABLE; 0 takes a free one. Default: none is opened. */
  readonly queryPort?: number
  /** Frontends beside the leader. Default 0. */
  readonly followerFrontends?: number
  /** Default 2. */
  readonly backends?: number
  /** Default `root`. */
  readonly username?: string
  /** Default empty. */
  readonly password?: string
  readonly tables?: readonly EmulatorTable[]
  /** Creates unknown tables at their first load; their columns hold text. Default false. */
  readonly createTables?: boolean
  /** `verify` (default) checks and keeps rows; `count` counts and throws them away, for benchmarks. */
  readonly mode?: 'verify' | 'count'
  /** Server settings, named as on the server in camelCase. */
  readonly settings?: Partial<Settings>
  readonly clock?: EmulatorClock
}

export type TransactionViewState = 'PREPARE' | 'PREPARED' | 'PRECOMMITTED' | 'COMMITTED' | 'VISIBLE' | 'ABORTED'

/** One transaction as the leader frontend knows it. Times are milliseconds since 1970. */
export interface TransactionView {
  readonly id: number
  readonly database: string
  readonly label: string
  readonly table: string
  readonly state: TransactionViewState
  /** Index of the backend that coordinates it. */
  readonly coordinator: number
  readonly beganAt: number
  readonly preparedAt?: number
  readonly committedAt?: number
  readonly finishedAt?: number
  /** Why it was aborted. */
  readonly reason?: string
  readonly loadedRows: number
  readonly loadedBytes: number
}

/** One HTTP request that reached a server. */
export interface RequestView {
  readonly time: number
  /** `frontend-0`, `backend-1`. */
  readonly server: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** As sent; `authorization` is replaced by `***`. */
  readonly headers: Readonly<Record<string, string>>
  readonly bodyBytes: number
  /** HTTP status of the reply; 0 when the connection was closed without one. */
  readonly status: number
}

/** What both emulators offer to a test. */
export interface Emulator extends AsyncDisposable {
  /** Frontends, `http://127.0.0.1:port`, leader first. */
  readonly urls: readonly string[]
  /** Backends, `host:port`. */
  readonly backends: readonly string[]
  /** The control API of this emulator, for other processes. */
  readonly controlUrl: string
  /** Port of the MySQL protocol; 0 when the options did not ask for one. */
  readonly queryPort: number
  /** Visible rows with exact values: bigint for integers, text for decimals and dates. */
  rows(database: string, table: string): readonly Record<string, unknown>[]
  /** Visible rows; in `count` mode the only thing known of them. */
  rowCount(database: string, table: string): number
  transactions(): readonly TransactionView[]
  /** The newest requests, oldest first. */
  requests(): readonly RequestView[]
  addFault(rule: FaultRule): string
  removeFault(id: string): void
  /** The leader's memory is lost: what was not journaled is gone, open connections break. */
  restartFrontend(): void
  /** The next frontend becomes leader; the old leader's memory is lost. */
  switchLeader(): void
  /** The backend's memory is lost and its connections break; a killed one listens again. */
  restartBackend(index: number): Promise<void>
  /** The backend stops listening; its memory is lost. */
  killBackend(index: number): Promise<void>
  /** Harmless when repeated. */
  close(): Promise<void>
}
