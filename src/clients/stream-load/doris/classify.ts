import type { CommitOutcome, Failed, LoadCounts, RollbackOutcome, Unknown } from '../outcomes.ts'
import { refusalError, shownText } from '../refusal.ts'
import { ReplyObject } from '../reply-json.ts'
import type { HttpReply } from '../reply-parser.ts'
import { authError, countsOf, failed, readReply, refused, type ReplyContext, unknown } from '../reply-result.ts'

// What each reply means, as pure functions. Words: Doris be/src/http/action/stream_load.cpp and stream_load_2pc.cpp,
// be/src/runtime/stream_load/stream_load_context.cpp, fe/.../transaction/DatabaseTransactionMgr.java,
// fe/.../common/LabelAlreadyUsedException.java, fe/.../httpv2/rest/GetStreamLoadState.java.

/** FE `TransactionStatus`. UNKNOWN: never existed, or forgotten by age (12 h) or count (2000 in the database). */
export type DorisTransactionState = 'UNKNOWN' | 'PREPARE' | 'PRECOMMITTED' | 'COMMITTED' | 'VISIBLE' | 'ABORTED'

/** What the label of a new load already belongs to. Only `txnId` may be used to finish or undo it. */
export interface LabelExists {
  readonly kind: 'label-exists'
  readonly existing: 'running' | 'precommitted' | 'finished' | 'unstated'
  /** From the message; absent in the words of older servers. */
  readonly txnId?: bigint
}

export type PrecommitOutcome =
  | { readonly kind: 'precommitted'; readonly txnId: bigint; readonly counts: LoadCounts }
  | LabelExists
  /** The load may be precommitted: ask for the label's state, abort it, and load again under another label. */
  | Unknown
  | Failed

export type DorisStateOutcome = { readonly kind: 'state'; readonly state: DorisTransactionState } | Unknown | Failed

/** The reply of a load with `two_phase_commit: true`. */
export function classifyPrecommit(reply: HttpReply, context: ReplyContext): PrecommitOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  switch (result.status) {
    case 'Success': {
      const txnId = result.fields.integer('TxnId')
      const counts = countsOf(result.fields)
      if (txnId === undefined || txnId < 0n || counts === undefined) return unknown('Success without id and counters')
      // A server that ignored the header has committed already, outside of any checkpoint.
      if (result.fields.text('TwoPhaseCommit') === 'false') return unknown('the server did not do two phases')
      return { kind: 'precommitted', txnId, counts }
    }
    case 'Label Already Exists':
      return labelExists(result.fields.text('ExistingJobStatus'), result.message)
    case 'Publish Timeout':
      return unknown('Publish Timeout: the server committed in one phase')
    default:
      return /label \[.*\] has already been used/i.test(result.message)
        ? labelExists(result.fields.text('ExistingJobStatus'), result.message)
        : refused(result, context)
  }
}

function labelExists(existing: string | undefined, message: string): LabelExists {
  const words = { RUNNING: 'running', PRECOMMITTED: 'precommitted', FINISHED: 'finished' } as const
  const word =
    existing === 'RUNNING' || existing === 'PRECOMMITTED' || existing === 'FINISHED' ? words[existing] : 'unstated'
  const txnId = /relate to txn \[(\d+)\]/i.exec(message)?.[1]
  return { kind: 'label-exists', existing: word, ...(txnId === undefined ? {} : { txnId: BigInt(txnId) }) }
}

/** `transaction [N] is already <state>`: lower case from commits, upper case from aborts, older servers mix them. */
const ALREADY = /transaction \[[^\]]*\] is already (committed|visible|aborted)/i
const PREPARING = /transaction \[[^\]]*\] is prepare\b/i
const NOT_FOUND =
  /transaction \[[^\]]*\] not found|label \[[^\]]*\].*not (?:found|exist)|(?:cannot|can't|can not) find .*label/i
const LOCK_BUSY = /write lock timeout|not.?master|have not get fe master heartbeat/i

export function classifyCommit(reply: HttpReply, context: ReplyContext): CommitOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  const { message } = result
  const reason = `${result.status} ${shownText(message)}`
  if (result.status === 'Success') {
    // The call returns without waiting for the publish.
    return /commit successfully/i.test(message) ? { kind: 'visible-pending', reason } : unknown(reason)
  }
  const already = ALREADY.exec(message)?.[1]?.toLowerCase()
  if (already === 'visible') return { kind: 'already-committed' }
  if (already === 'committed') return { kind: 'visible-pending', reason }
  if (already === 'aborted') return { kind: 'lost', why: /time ?out/i.test(message) ? 'expired' : 'aborted', reason }
  if (LOCK_BUSY.test(message)) return { kind: 'retry', reason }
  if (NOT_FOUND.test(message) || PREPARING.test(message)) return unknown(reason)
  const refusal = refused(result, context)
  return refusal.error.code === 'AUTH' ? refusal : unknown(reason)
}

/** What the label's state says about the commit of a transaction that was precommitted. */
export function resolveCommit(state: DorisStateOutcome): CommitOutcome {
  if (state.kind !== 'state') return state
  switch (state.state) {
    case 'VISIBLE':
      return { kind: 'already-committed' }
    case 'COMMITTED':
      return { kind: 'visible-pending', reason: 'COMMITTED' }
    case 'PRECOMMITTED':
      return { kind: 'retry', reason: 'the transaction is still PRECOMMITTED' }
    case 'ABORTED':
      return { kind: 'lost', why: 'aborted', reason: 'ABORTED (the state tells no reason)' }
    case 'PREPARE':
      return unknown('the state is PREPARE, although the transaction was precommitted')
    case 'UNKNOWN':
      return unknown('the server does not know the label: never precommitted, or forgotten after too many newer ones')
  }
}

export function classifyAbort(reply: HttpReply, context: ReplyContext): RollbackOutcome {
  const result = readReply(reply, context)
  if ('kind' in result) return result
  const { message } = result
  const reason = `${result.status} ${shownText(message)}`
  if (result.status === 'Success') {
    return /abort successfully/i.test(message) ? { kind: 'rolled-back' } : unknown(reason)
  }
  const already = ALREADY.exec(message)?.[1]?.toLowerCase()
  if (already === 'aborted') return { kind: 'already-rolled-back' }
  if (already !== undefined) return { kind: 'committed', reason }
  if (LOCK_BUSY.test(message)) return { kind: 'busy', reason }
  if (NOT_FOUND.test(message)) return { kind: 'not-found', reason }
  const refusal = refused(result, context)
  return refusal.error.code === 'AUTH' ? refusal : unknown(reason)
}

const STATES: ReadonlySet<string> = new Set(['UNKNOWN', 'PREPARE', 'PRECOMMITTED', 'COMMITTED', 'VISIBLE', 'ABORTED'])

/** `{"msg":"success","code":0,"data":"VISIBLE","count":0}`: a shape of its own, with the code in the body. */
export function classifyState(reply: HttpReply, context: ReplyContext): DorisStateOutcome {
  const fields = ReplyObject.parse(reply.body.toString('utf8'))
  const code = fields?.integer('code')
  const message = fields?.text('msg') ?? ''
  if (reply.status === 401 || reply.status === 403 || code === 401n || code === 403n) {
    return failed(authError(context.doing, reply.status === 200 ? Number(code) : reply.status, message))
  }
  const state = fields?.text('data')
  if (reply.status === 200 && code === 0n && isState(state)) return { kind: 'state', state }
  if (reply.status === 200 && code !== undefined && code !== 0n) {
    return failed(refusalError(context.doing, { status: `code ${code}`, message: message || state || '' }, false))
  }
  return unknown(`HTTP ${reply.status}, a reply without a known state`)
}

function isState(state: string | undefined): state is DorisTransactionState {
  return state !== undefined && STATES.has(state)
}
