import type { Reply } from '../http-server.ts'

/** Backends print with four spaces and a fixed key order, always with HTTP 200. */
export function backendReply(fields: Readonly<Record<string, unknown>>, close = false): Reply {
  return { status: 200, body: JSON.stringify(fields, null, 4), close }
}

/** TStatusCode names that the transaction interface of a backend uses. */
export type BackendStatus =
  | 'OK'
  | 'LABEL_ALREADY_EXISTS'
  | 'TXN_NOT_EXISTS'
  | 'TXN_IN_PROCESSING'
  | 'INVALID_ARGUMENT'
  | 'INTERNAL_ERROR'
  | 'ANALYSIS_ERROR'
  | 'ABORTED'
  | 'PUBLISH_TIMEOUT'
  | 'MEM_LIMIT_EXCEEDED'

export interface BackendFailure {
  readonly status: BackendStatus
  readonly message: string
  readonly label?: string
  readonly existingJobStatus?: string
  readonly errorUrl?: string
}

/** What a backend refuses, as its reply. Key order: be/src/runtime/stream_load/stream_load_context.cpp to_resp_json. */
export function failureReply(failure: BackendFailure): Reply {
  const { status, message, label, existingJobStatus, errorUrl } = failure
  return backendReply({
    Status: status,
    ...(status === 'LABEL_ALREADY_EXISTS' ? { ExistingJobStatus: existingJobStatus ?? '' } : {}),
    ...(status === 'TXN_IN_PROCESSING' ? { Label: label } : {}),
    Message: message,
    ...(errorUrl === undefined ? {} : { ErrorURL: errorUrl }),
  })
}

/** Results of transaction operations made by the frontend. */
export function frontendResult(fields: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, body: JSON.stringify(fields, null, 4) }
}

/** Other replies of the frontend: `status` and `msg`, lower case. */
export function genericReply(
  status: 'OK' | 'FAILED',
  msg: string,
  more: Readonly<Record<string, unknown>> = {},
): Reply {
  return { status: 200, body: JSON.stringify({ status, msg, ...more }, null, 4) }
}

/**
 * The nodes of a cluster, dead ones too. What belongs to their load and memory is left out.
 * (BackendActionV2.java, ComputeNodeInfo.java: ports are text; RestBaseResultV2.java: `code` is text.)
 */
export function nodesReply(addresses: readonly string[]): Reply {
  const result = addresses.map((address, index) => {
    const { hostname, port } = new URL(`http://${address}`)
    return { id: 10_001 + index, hostName: hostname, httpPort: port }
  })
  return { status: 200, body: JSON.stringify({ result, code: '0', message: 'OK' }) }
}

export function redirect(address: string, url: string, close: boolean): Reply {
  return { status: 307, body: '', headers: { Location: `http://${address}${url}` }, close }
}

export function unauthorized(user: string, hasPassword: boolean): Reply {
  return {
    status: 401,
    body: JSON.stringify({
      status: 'FAILED',
      msg: `Access denied for user '${user}' (using password: ${hasPassword ? 'YES' : 'NO'})`,
    }),
    headers: { 'WWW-Authenticate': 'Basic realm=""' },
  }
}

export function notImplemented(): Reply {
  return { status: 404, body: JSON.stringify({ status: 'FAILED', msg: 'Not implemented' }) }
}
