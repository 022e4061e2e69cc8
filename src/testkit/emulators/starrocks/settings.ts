import type { TransactionSettings } from '../transaction-table.ts'

/** Settings of the server (FE and BE configuration), with the server's names and units. */
export interface StarRocksSettings extends TransactionSettings {
  maxRunningTxnNumPerDb: number
  streamLoadDefaultTimeoutSecond: number
  preparedTransactionDefaultTimeoutSecond: number
  /** Unmerged versions of one tablet; loads fail from here on. */
  tabletMaxVersions: number
  /** A load without any row is an error. */
  emptyLoadAsError: boolean
  streamingLoadMaxMb: number
  transactionStreamLoadCoordinatorCacheCapacity: number
  transactionStreamLoadCoordinatorCacheExpireSecond: number
  /** How often a backend looks for transactions that timed out or idle. */
  transactionScanIntervalSecond: number
  /** How long a plain load, or a commit without prepare, waits for its publish. */
  streamLoadPublishTimeoutSecond: number
  /** Labels whose outcome the newest frontends remember after label clean-up; 0, as before them, none. */
  terminalLabelCacheNum: number
  /** Newer frontends send a repeated begin to the backend of the first. */
  isBeginSticky: boolean
  /** Prefix of the frontend's messages; older servers say `com.starrocks.common.UserException`. */
  exceptionClass: string
}

/** Defaults of a StarRocks 3.5 server; publishing and compaction are made instant and steady. */
export const STARROCKS_DEFAULTS: Readonly<StarRocksSettings> = {
  publishDelayMs: 0,
  labelKeepMaxSecond: 259_200,
  labelKeepMaxNum: 1000,
  doesLabelCountIncludeRunning: true,
  compactionVersionsPerSecond: 100,
  maxRunningTxnNumPerDb: 1000,
  streamLoadDefaultTimeoutSecond: 600,
  preparedTransactionDefaultTimeoutSecond: 86_400,
  tabletMaxVersions: 1000,
  emptyLoadAsError: true,
  streamingLoadMaxMb: 102_400,
  transactionStreamLoadCoordinatorCacheCapacity: 4096,
  transactionStreamLoadCoordinatorCacheExpireSecond: 900,
  transactionScanIntervalSecond: 30,
  streamLoadPublishTimeoutSecond: 20,
  terminalLabelCacheNum: 0,
  isBeginSticky: true,
  exceptionClass: 'com.starrocks.common.StarRocksException',
}

/** Range of a load's `timeout`, in seconds. */
export const LOAD_TIMEOUT_MAX_SECOND = 259_200
