import type { Reply } from '../http-server.ts'

/** Backends print with four spaces, end with a newline and always say HTTP 200. */
export function backendReply(fields: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, body: `${JSON.stringify(fields, null, 4)}\n` }
}

/** Result of `_stream_load_2pc`: be/src/common/status.cpp Status::to_json. */
export function twoPhaseReply(status: string, msg: string): Reply {
  return backendReply({ status, msg })
}

/** Handled errors of the frontend's load actions. */
export function failedReply(msg: string): Reply {
  return { status: 200, body: JSON.stringify({ status: 'FAILED', msg }) }
}

/** The frontend's version 2 interface. */
export function envelope(data: unknown): Reply {
  return { status: 200, body: JSON.stringify({ msg: 'success', code: 0, data, count: 0 }) }
}

/** Errors of the version 2 interface: HTTP 200 with a code of its own. */
export function commonError(message: string): Reply {
  return { status: 200, body: JSON.stringify({ msg: 'Error', code: 1, data: message, count: 0 }) }
}

export function badRequest(message: string): Reply {
  return { status: 200, body: JSON.stringify({ msg: 'Bad Request', code: 403, data: message, count: 0 }) }
}

export function redirect(address: string, url: string, close: boolean): Reply {
  return { status: 307, body: '', headers: { Location: `http://${address}${url}` }, close }
}

export function unauthorized(): Reply {
  return {
    status: 401,
    body: JSON.stringify({ msg: 'Unauthorized', code: 401, data: 'Access denied', count: 0 }),
    headers: { 'WWW-Authenticate': 'Basic realm=""' },
  }
}
