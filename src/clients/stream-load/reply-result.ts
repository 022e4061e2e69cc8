import { MillraceError } from '../../core/errors.ts'
import type { Failed, LoadCounts, Unknown } from './outcomes.ts'
import { refusalError, shownText } from './refusal.ts'
import { ReplyObject } from './reply-json.ts'
import type { HttpReply } from './reply-parser.ts'

/** A reply that was read as far as every operation needs it. */
export interface ResultReply {
  readonly status: string
  readonly message: string
  readonly fields: ReplyObject
}

export interface ReplyContext {
  readonly doing: string
  readonly label: string
  /** Whether rows were already sent under the label. */
  readonly holdsData: boolean
}

/**
 * The common part of every reply: HTTP status, JSON, `Status` and `Message`. BE and FE spell the keys differently
 * (`Status`/`Message`, `status`/`msg`); a reply without both, or for another label, proves nothing.
 */
export function readReply(reply: HttpReply, context: ReplyContext): ResultReply | Failed | Unknown {
  const fields = ReplyObject.parse(reply.body.toString('utf8'))
  const message = fields?.text('Message') ?? fields?.text('msg')
  const code = fields?.integer('code')
  // A Doris FE may put the 401 into the body of an HTTP 200.
  if (reply.status === 401 || reply.status === 403 || code === 401n || code === 403n) {
    return failed(authError(context.doing, reply.status === 200 ? Number(code) : reply.status, message ?? ''))
  }
  if (reply.status === 404) return failed(noSuchService(context.doing, message ?? ''))
  if (reply.status !== 200) return unknown(`HTTP ${reply.status} ${shownText(message ?? '')}`)
  const status = fields?.text('Status')
  if (fields === undefined || status === undefined || message === undefined) {
    return unknown(`a reply of ${reply.body.length} bytes that is not a whole JSON result`)
  }
  const label = fields.text('Label')
  if (label !== undefined && label !== context.label) return unknown('a reply for another label')
  return { status, message, fields }
}

export function failed(error: MillraceError): Failed {
  return { kind: 'failed', error }
}

export function unknown(reason: string): Unknown {
  return { kind: 'unknown', reason }
}

/** A certain refusal with the error its words call for. */
export function refused(reply: ResultReply, context: ReplyContext): Failed {
  const errorUrl = reply.fields.text('ErrorURL')
  const facts = { status: reply.status, message: reply.message, ...(errorUrl === undefined ? {} : { errorUrl }) }
  return failed(refusalError(context.doing, facts, context.holdsData))
}

/** All four counters, or nothing: half a result is no result. */
export function countsOf(fields: ReplyObject): LoadCounts | undefined {
  const total = fields.count('NumberTotalRows')
  const loaded = fields.count('NumberLoadedRows')
  const filtered = fields.count('NumberFilteredRows')
  const unselected = fields.count('NumberUnselectedRows')
  if (total === undefined || loaded === undefined || filtered === undefined || unselected === undefined)
    return undefined
  return { total, loaded, filtered, unselected }
}

export function authError(doing: string, status: number, message: string): MillraceError {
  const text = message === '' ? '' : ` ${shownText(message)}`
  return new MillraceError(`${doing}: the server refused the credentials: HTTP ${status}${text}`, {
    code: 'AUTH',
    retry: 'halt',
    detail: { status },
  })
}

function noSuchService(doing: string, message: string): MillraceError {
  return new MillraceError(
    `${doing}: the server has no such service (HTTP 404 ${shownText(message)}). Check the address and the server's version: transactions need StarRocks 2.4 or Doris 0.15`,
    { code: 'PREFLIGHT', retry: 'halt', detail: { status: 404 } },
  )
}
