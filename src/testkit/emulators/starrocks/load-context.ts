import type { Cluster } from '../cluster.ts'
import { makeLoader } from '../load-body.ts'
import type { LoadResult, RowLoader } from '../row-loader.ts'
import type { TableStore } from '../table.ts'
import type { ParsedLoad } from './load-headers.ts'
import type { BackendFailure } from './replies.ts'
import type { StarRocksSettings } from './settings.ts'

/** JSON bytes of one transaction unless `ignore_json_size` is set. */
const JSON_BYTES_MAX = 104_857_600
const JSON_REQUEST_BYTES_MAX = 4 * 1024 ** 3

/** One open transaction in the memory of its backend. */
export class LoadContext {
  readonly label: string
  readonly database: string
  readonly table: TableStore
  readonly txnId: number
  readonly timeoutMs: number
  readonly idleTimeoutMs: number | undefined
  readonly beganAt: number
  lastActiveAt: number
  /** Held by one request at a time; nobody waits for it. */
  isBusy = false
  /** Rolled back while a request was using it. */
  isFailed = false
  loadBytes = 0
  loader: RowLoader | undefined
  fingerprint: string | undefined

  constructor(fields: {
    label: string
    database: string
    table: TableStore
    txnId: number
    timeoutMs: number
    idleTimeoutMs: number | undefined
    now: number
  }) {
    this.label = fields.label
    this.database = fields.database
    this.table = fields.table
    this.txnId = fields.txnId
    this.timeoutMs = fields.timeoutMs
    this.idleTimeoutMs = fields.idleTimeoutMs
    this.beganAt = fields.now
    this.lastActiveAt = fields.now
  }

  /** Checks a load's headers and length before its body is asked for. */
  admit(load: ParsedLoad, contentLength: number, settings: StarRocksSettings): BackendFailure | undefined {
    if (this.fingerprint !== undefined && this.fingerprint !== load.fingerprint) {
      return { status: 'INTERNAL_ERROR', message: 'load request not equal last.' }
    }
    const bytesMax = settings.streamingLoadMaxMb * 1024 * 1024
    const total = this.loadBytes + contentLength
    if (total > bytesMax) {
      const advice = 'You can increase the limit by setting streaming_load_max_mb in be.conf.'
      return { status: 'INTERNAL_ERROR', message: `body size ${total} exceed limit: ${bytesMax}, ${advice}` }
    }
    if (load.plan.format !== 'json') return undefined
    if (contentLength >= JSON_REQUEST_BYTES_MAX) {
      return { status: 'MEM_LIMIT_EXCEEDED', message: `The size of this request ${contentLength} exceeds 4GB` }
    }
    if (!load.doesIgnoreJsonSize && total > JSON_BYTES_MAX) return jsonTooLarge(total)
    return undefined
  }

  loaderFor(load: ParsedLoad, cluster: Cluster): RowLoader {
    this.fingerprint = load.fingerprint
    this.loader ??= makeLoader(load.plan, cluster.mode)
    return this.loader
  }
}

function jsonTooLarge(total: number): BackendFailure {
  const message =
    `The size of this batch exceed the max size [${JSON_BYTES_MAX}]  of json type data  data [ ${total} ]. ` +
    'Set ignore_json_size to skip the check, although it may lead huge memory consuming.'
  return { status: 'INTERNAL_ERROR', message }
}

/** Why what was loaded cannot be prepared or committed, besides the number of filtered rows. */
export function refuseResult(
  result: LoadResult,
  table: TableStore,
  cluster: Cluster,
  settings: StarRocksSettings,
): BackendFailure | undefined {
  const limit = settings.tabletMaxVersions
  const versions = table.versions(cluster.clock.now(), settings.compactionVersionsPerSecond)
  if (versions >= limit) {
    const message =
      `Failed to load data into tablet ${table.tabletId}, because of too many versions, current/limit: ${versions}/${limit}. ` +
      'You can reduce the loading job concurrency, or increase loading data batch size.'
    return { status: 'INTERNAL_ERROR', message }
  }
  if (result.loaded === 0 && settings.emptyLoadAsError) {
    return { status: 'ANALYSIS_ERROR', message: 'all partitions have no load data' }
  }
  return undefined
}
