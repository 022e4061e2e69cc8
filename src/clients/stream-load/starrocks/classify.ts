import { MillraceError } from '../../../core/errors.ts'
import type { Busy, CommitOutcome, Failed, LoadCounts, RollbackOutcome, Unknown } from '../outcomes.ts'
import { refusalError, shownText } from '../refusal.ts'
import type { HttpReply } from '../reply-parser.ts'
import { countsOf, failed, readReply, refused, type ReplyContext, type ResultReply, unknown } from '../reply-result.ts'

// What each reply means, as pure functions. Words and codes: StarRocks gensrc/thrift/StatusCode.thrift,
// be/src/http/action/transaction_stream_load.cpp, be/src/runtime/stream_load/transaction_mgr.cpp,
// fe/fe-core/.../http/rest/TransactionLoadAction.java and .../transaction/DatabaseTransactionMgr.java.

/** FE `TransactionStatus`. UNKNOWN: never existed, forgotten by age or count, or an open one lost with the FE leader. */
export type TransactionState = 'UNKNOWN' | 'PREPARE' | 'PREPARED' | 'COMMITTED' | 'VISIBLE' | 'ABORTED'

export type BeginOutcome =
  | { readonly kind: 'begun'; readonly txnId: bigint }
  /** The label belongs to a transaction that is not aborted. Never begin again: ask for its state. */
  | { readonly kind: 'label-exists'; readonly existing: 'running' | 'finished' | 'unstated' }
  | Unknown
  | Failed

/** `unknown` and `failed` both mean: roll the transaction back. */
export type LoadOutcome =
  | { readonly kind: 'loaded'; readonly txnId: bigint; readonly loadBytes: number }
  /** Another request holds the transaction; nothing of this one was taken. */
  | Busy
  | Unknown
  | Failed

export type PrepareOutcome =
  | { readonly kind: 'prepared'; readonly txnId: bigint; readonly counts: LoadCounts }
  /** Proven by its state after the reply was lost, so the row counters are lost too. */
  | { readonly kind: 'prepared-uncounted' }
  | Unknown
  | Failed

/** What one reply to prepare says; `ask-state` and `unknown` (nobody answered) are resolved by `resolvePrepare`. */
export type PrepareReplyClass =
  | Extract<PrepareOutcome, { kind: 'prepared' }>
  | { readonly kind: 'ask-state'; readonly reason: string }
  | Busy
  | Unknown
  | Failed

export type StateOutcome =
  | { readonly kind: 'state'; readonly state: TransactionState; readonly reason: string }
  | Unknown
  | Failed

/** `not-running`: no open (PREPARE) transaction has the label; a prepared one needs rollback. */
export type CancelOutcome = { readonly kind: 'cancelled' } | { readonly kind: 'not-running' } | Unknown | Failed

/** The BE could not reach the FE, so what the FE did is open. */
const RPC_LOST = new Set(['SERVICE_UNAVAILABLE', 'THRIFT_RPC_ERROR', 'TIMEOUT'])

/** An FE that does not know the label, in the words of three code paths. */
const NOT_FOUND = /no transaction found|can't find the transaction|can't find node|stream load task .* does not exist/i

export function classifyBegin(reply: HttpReply, context: ReplyContext): BeginOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  if (result.status === 'OK') {
    const txnId = result.fields.integer('TxnId')
    return txnId === undefined || txnId < 0n ? unknown('OK without a TxnId') : { kind: 'begun', txnId }
  }
  if (result.status === 'LABEL_ALREADY_EXISTS') return { kind: 'label-exists', existing: existingOf(result) }
  if (RPC_LOST.has(result.status)) return unknown(`${result.status} ${shownText(result.message)}`)
  return refused(result, context)
}

function existingOf(result: ResultReply): 'running' | 'finished' | 'unstated' {
  const status = result.fields.text('ExistingJobStatus')
  if (status === 'RUNNING') return 'running'
  return status === 'FINISHED' ? 'finished' : 'unstated'
}

export function classifyLoad(reply: HttpReply, context: ReplyContext): LoadOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  switch (result.status) {
    case 'OK': {
      const txnId = result.fields.integer('TxnId')
      const loadBytes = result.fields.count('LoadBytes')
      if (txnId === undefined || loadBytes === undefined) return unknown('OK without TxnId and LoadBytes')
      return { kind: 'loaded', txnId, loadBytes }
    }
    case 'TXN_IN_PROCESSING':
      return { kind: 'busy', reason: shownText(result.message) }
    case 'TXN_NOT_EXISTS':
      return failed(broken(result, context, 'the backend no longer has the transaction'))
    default:
      return refused(result, context)
  }
}

export function classifyPrepare(reply: HttpReply, context: ReplyContext): PrepareReplyClass {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  const askState = { kind: 'ask-state', reason: `${result.status} ${shownText(result.message)}` } as const
  switch (result.status) {
    case 'OK': {
      const txnId = result.fields.integer('TxnId')
      const counts = countsOf(result.fields)
      if (txnId === undefined || counts === undefined) return { kind: 'ask-state', reason: 'OK without row counters' }
      return { kind: 'prepared', txnId, counts }
    }
    case 'TXN_IN_PROCESSING':
      return { kind: 'busy', reason: shownText(result.message) }
    // A successful prepare drops the BE's context, so a repeated one finds nothing.
    case 'TXN_NOT_EXISTS':
      return askState
    case 'FAILED':
      return NOT_FOUND.test(result.message) ? askState : refused(result, context)
    default:
      return RPC_LOST.has(result.status) ? askState : refused(result, context)
  }
}

/** What the state says after a prepare without a usable reply. `busy`: ask again after a pause. */
export function resolvePrepare(state: StateOutcome, context: ReplyContext): PrepareOutcome | Busy {
  if (state.kind !== 'state') return state
  switch (state.state) {
    case 'PREPARED':
      return { kind: 'prepared-uncounted' }
    case 'PREPARE':
      return { kind: 'busy', reason: 'the transaction is still open' }
    case 'ABORTED':
    case 'UNKNOWN': {
      const what = state.state === 'ABORTED' ? 'was rolled back' : 'is gone, and a prepared one would not be'
      const reply = { status: state.state, message: `the transaction ${what}. ${state.reason}` }
      return failed(refusalError(context.doing, reply, true))
    }
    case 'COMMITTED':
    case 'VISIBLE':
      return unknown(`the transaction is ${state.state}, although nobody here committed it`)
  }
}

export function classifyCommit(reply: HttpReply, context: ReplyContext): CommitOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  const reason = `${result.status} ${shownText(result.message)}`
  switch (result.status) {
    case 'OK':
      return /has already committed/i.test(result.message) ? { kind: 'already-committed' } : committedBy(result)
    case 'PUBLISH_TIMEOUT':
      return { kind: 'visible-pending', reason }
    case 'TXN_IN_PROCESSING':
      return { kind: 'retry', reason }
    case 'FAILED':
      return classifyFailedCommit(result, context, reason)
    default:
      return unknown(reason)
  }
}

function committedBy(result: ResultReply): CommitOutcome {
  // An FE answers with the id and the label, a BE with counters too. A bare OK may come from anything in between.
  return result.fields.integer('TxnId') === undefined || result.fields.text('Label') === undefined
    ? unknown('OK without TxnId and Label')
    : { kind: 'committed' }
}

function classifyFailedCommit(result: ResultReply, context: ReplyContext, reason: string): CommitOutcome {
  const { message } = result
  if (/publish timeout/i.test(message)) return { kind: 'visible-pending', reason }
  if (/can not commit ABORTED transaction/i.test(message)) return { kind: 'lost', why: whyLost(message), reason }
  if (/write lock timeout|already committing/i.test(message)) return { kind: 'retry', reason }
  if (NOT_FOUND.test(message)) return unknown(reason)
  // Only a refusal of the credentials is certain to have changed nothing; other words are not evidence.
  const refusal = refused(result, context)
  return refusal.error.code === 'AUTH' ? refusal : unknown(reason)
}

/** What a transaction's state says about the commit of a label that was prepared. */
export function resolveCommit(state: StateOutcome): CommitOutcome {
  if (state.kind !== 'state') return state
  const { reason } = state
  switch (state.state) {
    case 'VISIBLE':
      return { kind: 'already-committed' }
    case 'COMMITTED':
      return { kind: 'visible-pending', reason: `COMMITTED ${reason}`.trim() }
    case 'PREPARED':
      return { kind: 'retry', reason: 'the transaction is still PREPARED' }
    case 'ABORTED':
      return { kind: 'lost', why: whyLost(reason), reason: `ABORTED ${reason}`.trim() }
    case 'PREPARE':
      return unknown('the state is PREPARE, although the transaction was prepared')
    case 'UNKNOWN':
      return unknown('the server does not know the label: never prepared, or forgotten after too many newer ones')
  }
}

/** Abort reasons of BE and FE name the time limit: `transaction is aborted by timeout N seconds.`, `timeout by txn manager`. */
function whyLost(reason: string): 'aborted' | 'expired' {
  return /time ?out/i.test(reason) ? 'expired' : 'aborted'
}

export function classifyRollback(reply: HttpReply, context: ReplyContext): RollbackOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  const reason = `${result.status} ${shownText(result.message)}`
  switch (result.status) {
    case 'OK':
      return { kind: /has already aborted/i.test(result.message) ? 'already-rolled-back' : 'rolled-back' }
    case 'TXN_IN_PROCESSING':
      return { kind: 'busy', reason }
    case 'TXN_NOT_EXISTS':
      return { kind: 'not-found', reason }
    case 'FAILED':
      if (/can not abort (?:VISIBLE|COMMITTED) transaction/i.test(result.message)) return { kind: 'committed', reason }
      if (/write lock timeout/i.test(result.message)) return { kind: 'busy', reason }
      if (NOT_FOUND.test(result.message)) return { kind: 'not-found', reason }
      return refused(result, context).error.code === 'AUTH' ? refused(result, context) : unknown(reason)
    default:
      return unknown(reason)
  }
}

const STATES: ReadonlySet<string> = new Set(['UNKNOWN', 'PREPARE', 'PREPARED', 'COMMITTED', 'VISIBLE', 'ABORTED'])

export function classifyState(reply: HttpReply, context: ReplyContext): StateOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  if (result.status !== 'OK') return refused(result, context)
  const state = result.fields.text('state')
  if (!isState(state)) return unknown('a reply without a known state')
  return { kind: 'state', state, reason: shownText(result.fields.text('reason') ?? '') }
}

function isState(state: string | undefined): state is TransactionState {
  return state !== undefined && STATES.has(state)
}

export function classifyCancel(reply: HttpReply, context: ReplyContext): CancelOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  if (result.status === 'OK') return { kind: 'cancelled' }
  return /running transaction not found/i.test(result.message) ? { kind: 'not-running' } : refused(result, context)
}

function broken(result: ResultReply, context: ReplyContext, what: string): MillraceError {
  return new MillraceError(`${context.doing}: ${what} (${result.status} ${shownText(result.message)})`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
    detail: { status: result.status, message: shownText(result.message) },
  })
}
