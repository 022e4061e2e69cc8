import type { ErrorCode } from '../../core/error-codes.ts'
import { MillraceError, type Retry } from '../../core/errors.ts'

interface Class {
  readonly code: ErrorCode
  readonly retry: Retry
  /** The server's words quote values of rows: only names are taken from them. */
  readonly isPrivate?: boolean
}

const AGAIN: Class = { code: 'UNAVAILABLE', retry: 'retry' }
const REFUSED: Class = { code: 'AUTH', retry: 'halt' }
const SHAPE: Class = { code: 'SCHEMA', retry: 'halt' }
const VALUE: Class = { code: 'POISON', retry: 'halt', isPrivate: true }
const OURS: Class = { code: 'INTERNAL', retry: 'halt', isPrivate: true }

/** By SQLSTATE, whole codes before their classes. PostgreSQL, appendix A (error codes). */
const CLASSES: readonly (readonly [string, Class])[] = [
  ['42501', REFUSED],
  ['42601', OURS],
  ['3D000', SHAPE],
  ['3F000', SHAPE],
  // Serialization, deadlock, lock not available, read-only transaction, cancelled by an operator or a time limit.
  ['40', AGAIN],
  ['55P03', AGAIN],
  ['25006', AGAIN],
  ['57', AGAIN],
  ['53', AGAIN],
  ['08', AGAIN],
  ['28', REFUSED],
  ['22', VALUE],
  ['23', VALUE],
  ['42', SHAPE],
  ['54', VALUE],
]

const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EADDR|ERR_STREAM|ERR_SOCKET)/
const CLOSED = /Connection terminated|connection timeout|not queryable|Client was closed|connection error/i
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS)/

/** A typed error with the server's SQLSTATE. What quotes values of rows keeps only the names of column and constraint. */
export function postgresError(doing: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const { code, message, column, constraint, table } = thrown as Readonly<Record<string, unknown>>
  const state = typeof code === 'string' ? code : ''
  const words = typeof message === 'string' ? message : String(thrown)
  const { code: kind, retry, isPrivate } = classOf(state, words)
  const names = [
    ['table', table],
    ['column', column],
    ['constraint', constraint],
  ].filter(([, name]) => typeof name === 'string')
  const said = isPrivate === true ? names.map(([word, name]) => `${String(word)} ${String(name)}`).join(', ') : words
  return new MillraceError([doing, state, said].filter((part) => part !== '').join(': '), {
    code: kind,
    retry,
    detail: { sqlState: state },
  })
}

/** The SQLSTATE of a typed error, empty when it is none of a server. */
export function sqlStateOf(error: unknown): string {
  const state = error instanceof MillraceError ? error.detail['sqlState'] : undefined
  return typeof state === 'string' ? state : ''
}

function classOf(state: string, words: string): Class {
  const found = CLASSES.find(([prefix]) => state.startsWith(prefix) && /^[0-9A-Z]{5}$/.test(state))
  if (found !== undefined) return found[1]
  if (NETWORK.test(state) || CLOSED.test(words)) return AGAIN
  if (CERTIFICATE.test(state) || /does not support SSL|certificate/i.test(words)) return REFUSED
  // What the server (or a trigger) says and nobody has classified may quote values too.
  return { code: 'UNAVAILABLE', retry: 'restart', isPrivate: /^[0-9A-Z]{5}$/.test(state) }
}
