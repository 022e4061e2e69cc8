import type { Cluster } from '../cluster.ts'
import type { Exchange } from '../http-server.ts'
import { header } from '../load-plan.ts'
import type { LoadResult } from '../row-loader.ts'
import type { TableStore } from '../table.ts'
import type { DorisSettings } from './settings.ts'

const MIB = 1024 * 1024

/** What is refused for the request's headers alone, before a transaction begins. */
export function refuseRequest(cluster: Cluster, settings: DorisSettings, exchange: Exchange): string | undefined {
  const { headers } = exchange
  const check = cluster.checkCredentials(exchange)
  if (check === 'missing') return '[NOT_AUTHORIZED]no valid Basic authorization'
  if (check === 'wrong') return '[NOT_AUTHORIZED]TStatus: errCode = 2, detailMessage = Access denied'
  if (header(headers, 'two_phase_commit') === 'true' && settings.disableStreamLoad2pc) {
    return '[INTERNAL_ERROR]Two phase commit (2PC) for stream load was disabled'
  }
  return refuseFraming(settings, exchange) ?? refuseGroupCommit(exchange)
}

function refuseFraming(settings: DorisSettings, { headers }: Exchange): string | undefined {
  const hasLength = headers['content-length'] !== undefined
  const isChunked = headers['transfer-encoding']?.toLowerCase().includes('chunked') === true
  if (hasLength && isChunked) return '[INVALID_ARGUMENT]please do not set both content_length and transfer-encoding'
  if (!hasLength && !isChunked) {
    return '[INVALID_ARGUMENT]content_length is empty and transfer-encoding!=chunked, please set content_length or transfer-encoding=chunked'
  }
  const length = Number(headers['content-length'] ?? 0)
  if (length > settings.streamingLoadMaxMb * MIB) {
    return `[EXCEEDED_LIMIT]body size ${length} bytes exceed BE's conf \`streaming_load_max_mb\` ${settings.streamingLoadMaxMb}. increase it if you are sure this load is reasonable`
  }
  const isJson = header(headers, 'format')?.toLowerCase() === 'json'
  const isDocument = header(headers, 'strip_outer_array') === 'true' && header(headers, 'read_json_by_line') !== 'true'
  const jsonBytesMax = settings.streamingLoadJsonMaxMb * MIB
  if (isJson && isDocument && length > jsonBytesMax) {
    const kib = Math.floor(length / 1024)
    return `[EXCEEDED_LIMIT]json body size ${length} bytes (${kib} KiB) exceeds the limit of ${jsonBytesMax} bytes (${settings.streamingLoadJsonMaxMb} MiB) set by BE's conf streaming_load_json_max_mb`
  }
  return undefined
}

function refuseGroupCommit({ headers }: Exchange): string | undefined {
  const mode = header(headers, 'group_commit')?.toLowerCase()
  if (mode === undefined || mode === 'off_mode') return undefined
  if (mode !== 'sync_mode' && mode !== 'async_mode') {
    return '[INVALID_ARGUMENT]group_commit can only be [async_mode, sync_mode, off_mode]'
  }
  // The label of a chunked body is cleared without a word.
  const hasLabel = (header(headers, 'label') ?? '') !== '' && headers['transfer-encoding'] === undefined
  return hasLabel ? "[INVALID_ARGUMENT]label and group_commit can't be set at the same time" : undefined
}

/** What is refused when all rows have been read. */
export function refuseResult(
  cluster: Cluster,
  settings: DorisSettings,
  table: TableStore,
  result: LoadResult,
): string | undefined {
  if (result.isRatioExceeded) return '[DATA_QUALITY_ERROR]too many filtered rows'
  const versions = table.versions(cluster.clock.now(), settings.compactionVersionsPerSecond)
  if (result.loaded > 0 && versions >= settings.maxTabletVersionNum) {
    return (
      `[E-235]failed to init rowset builder. version count: ${versions}, exceed limit: ${settings.maxTabletVersionNum}, ` +
      `tablet: ${table.tabletId}, err=-235`
    )
  }
  return undefined
}
