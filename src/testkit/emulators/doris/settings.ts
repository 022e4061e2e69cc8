import type { TransactionSettings } from '../transaction-table.ts'

/** Settings of the server (FE and BE configuration), with the server's names and units. */
export interface DorisSettings extends TransactionSettings {
  maxRunningTxnNumPerDb: number
  streamLoadDefaultTimeoutSecond: number
  maxStreamLoadTimeoutSecond: number
  /** Life of a precommitted transaction; no request can change it. */
  streamLoadDefaultPrecommitTimeoutSecond: number
  /** Unmerged versions of one tablet; loads fail with -235 from here on. */
  maxTabletVersionNum: number
  streamingLoadMaxMb: number
  streamingLoadJsonMaxMb: number
  /** How long a load without 2PC waits for its publish. */
  commitPublishWaitSecond: number
  /** Storage-compute separation: refuses 2PC on unique tables. */
  isCloudMode: boolean
  disableStreamLoad2pc: boolean
}

/** Defaults of a recent server (3.x); publishing and compaction are made instant and steady. */
export const DORIS_DEFAULTS: Readonly<DorisSettings> = {
  publishDelayMs: 0,
  labelKeepMaxSecond: 43_200,
  labelKeepMaxNum: 2000,
  doesLabelCountIncludeRunning: false,
  compactionVersionsPerSecond: 100,
  maxRunningTxnNumPerDb: 10_000,
  streamLoadDefaultTimeoutSecond: 259_200,
  maxStreamLoadTimeoutSecond: 259_200,
  streamLoadDefaultPrecommitTimeoutSecond: 3600,
  maxTabletVersionNum: 2000,
  streamingLoadMaxMb: 10_240,
  streamingLoadJsonMaxMb: 100,
  commitPublishWaitSecond: 5,
  isCloudMode: false,
  disableStreamLoad2pc: false,
}
