import { checkEndpoint, type StreamLoadEndpoint } from '../endpoint.ts'
import type { HeaderFields } from '../header-safety.ts'
import { type LoadRequest, StreamLoadHttp } from '../http.ts'
import { classifiedCall, classifiedStream } from '../classified.ts'
import type { CommitOutcome, Failed, LoadStream, RollbackOutcome, Unknown } from '../outcomes.ts'
import { type Pause, poll, systemPause } from '../pause.ts'
import type { HttpReply } from '../reply-parser.ts'
import type { ReplyContext } from '../reply-result.ts'
import type { Resolver } from '../resolve.ts'
import { askStarRocks } from './backends.ts'
import {
  type BeginOutcome,
  type CancelOutcome,
  classifyBegin,
  classifyCancel,
  classifyCommit,
  classifyLoad,
  classifyPrepare,
  classifyRollback,
  classifyState,
  type LoadOutcome,
  type PrepareOutcome,
  resolveCommit,
  resolvePrepare,
  type StateOutcome,
} from './classify.ts'

export interface TransactionName {
  readonly database: string
  readonly label: string
}

export interface TableTransactionName extends TransactionName {
  readonly table: string
}

export interface StarRocksOptions {
  /** How long a busy transaction and a prepare in progress are waited for, in milliseconds. Default 60 000. */
  readonly busyMs?: number
  readonly pause?: Pause
  readonly resolver?: Resolver
}

/** How often an abandoned label is looked at before the answer is `unknown`. */
const ABANDON_MS = 10_000
/** Rollbacks that the backend may put off, about 1.5 s, before the frontend is asked to end the transaction. */
const BUSY_ROLLBACKS = 5

/**
 * Transaction Stream Load: `begin`, any number of `load`s, `prepare`, then `commit` or `rollback`, all by label.
 *
 * No operation throws for what a server or the wire did, except `load` when no body could be opened: each gives an
 * outcome that must be looked at. A label is never probed by `begin`; ask `state`.
 */
export class StarRocksTransactions implements AsyncDisposable {
  readonly #http: StreamLoadHttp
  readonly #pause: Pause
  readonly #busyMs: number

  /** @throws MillraceError CONFIG */
  constructor(endpoint: StreamLoadEndpoint, options: StarRocksOptions = {}) {
    this.#http = new StreamLoadHttp(checkEndpoint(endpoint), askStarRocks, options.resolver)
    this.#pause = options.pause ?? systemPause
    this.#busyMs = options.busyMs ?? 60_000
  }

  /**
   * Opens a transaction on one backend. Not repeatable: after `unknown`, roll the label back and take another one.
   *
   * @param at.timeoutS limit from begin to prepare, in seconds (server default 600, at most 259200).
   * @param at.idleTimeoutS the server aborts when no data came for so long, in seconds (default: never).
   */
  begin(
    at: TableTransactionName & { readonly timeoutS: number; readonly idleTimeoutS?: number },
  ): Promise<BeginOutcome> {
    const context = contextOf('beginning', at, false)
    const idle: HeaderFields = at.idleTimeoutS === undefined ? [] : [['idle_transaction_timeout', `${at.idleTimeoutS}`]]
    const headers: HeaderFields = [...namesOf(at), ['table', at.table], ['timeout', `${at.timeoutS}`], ...idle]
    return this.#post('begin', headers, context, false, classifyBegin)
  }

  /**
   * Appends one body to the transaction; several may follow one another, never two at once. In CSV each body must end
   * with the row delimiter; in JSON each body is one whole document. All bodies of a transaction need the same headers.
   * A load that ends otherwise than `loaded` is never repeated: roll back.
   *
   * @throws MillraceError when no backend asked for the body: nothing was sent.
   */
  async load(at: TableTransactionName & { readonly headers: HeaderFields }): Promise<LoadStream<LoadOutcome>> {
    const context = contextOf('loading', at, true)
    const request = {
      method: 'PUT',
      path: '/api/transaction/load',
      headers: [...namesOf(at), ['table', at.table], ...at.headers],
      isRepeatable: false,
      doing: context.doing,
    } as const
    for (let pausedMs = 0, ms = 20; ; pausedMs += ms, ms = Math.min(ms * 2, 1_000)) {
      const body = await this.#http.open(request)
      const isBusy = body.earlyReply !== undefined && classifyLoad(body.earlyReply, context).kind === 'busy'
      // Older backends release the transaction only after the previous reply was sent.
      if (!isBusy || pausedMs >= this.#busyMs) {
        return classifiedStream<LoadOutcome>(at.label, body, (reply) => classifyLoad(reply, context))
      }
      await this.#pause(ms)
    }
  }

  /**
   * First phase: validates and stores everything durably, or rolls back. Row errors surface here. When the reply is lost
   * or says that the transaction is gone, its state decides.
   *
   * @param at.preparedTimeoutS how long it may wait for its commit, in seconds (needs 3.5.4; server default 86400).
   */
  async prepare(at: TransactionName & { readonly preparedTimeoutS?: number }): Promise<PrepareOutcome> {
    const context = contextOf('preparing', at, true)
    const timeout: HeaderFields =
      at.preparedTimeoutS === undefined ? [] : [['prepared_timeout', `${at.preparedTimeoutS}`]]
    let why = ''
    let mustAsk = false
    let isAnswered = false
    const outcome = await poll<PrepareOutcome>(this.#busyMs, this.#pause, async () => {
      if (!mustAsk) {
        const sent = await this.#post('prepare', [...namesOf(at), ...timeout], context, false, classifyPrepare)
        if (sent.kind === 'prepared' || sent.kind === 'failed') return sent
        why = sent.reason
        if (sent.kind === 'busy') return undefined
        isAnswered = sent.kind !== 'unknown'
        mustAsk = true
      }
      const resolved = resolvePrepare(await this.state(at), context)
      if (resolved.kind !== 'busy') return resolved
      // Still open and never answered: the request was lost, or a repetition is told that it is under way.
      mustAsk = isAnswered
      return undefined
    })
    return outcome ?? { kind: 'unknown', reason: `still not prepared after ${this.#busyMs} ms: ${why}` }
  }

  /**
   * Second phase, safe to repeat. `committed` means visible. After `already-committed` and `visible-pending` readers may
   * have to wait: `settle` does. After `unknown`: `settle`.
   *
   * @param at.publishWaitS how long the FE waits for visibility before it answers, in seconds (server default 20).
   */
  commit(at: TransactionName & { readonly publishWaitS?: number }): Promise<CommitOutcome> {
    const wait: HeaderFields = at.publishWaitS === undefined ? [] : [['timeout', `${at.publishWaitS}`]]
    return this.#post('commit', [...namesOf(at), ...wait], contextOf('committing', at, true), true, classifyCommit)
  }

  /** Undoes an open or prepared transaction. Safe to repeat. */
  rollback(at: TransactionName): Promise<RollbackOutcome> {
    return this.#post('rollback', namesOf(at), contextOf('rolling back', at, true), true, classifyRollback)
  }

  /** The state of the newest transaction with this label, as the leader FE knows it. */
  state(at: TransactionName): Promise<StateOutcome> {
    const path = `/api/${encodeURIComponent(at.database)}/get_load_state?label=${encodeURIComponent(at.label)}`
    const request = { method: 'GET', path, headers: [], isRepeatable: true } as const
    return this.#call(request, contextOf('asking for the state of', at, false), classifyState)
  }

  /** Aborts an open transaction whose backend is gone. Prepared ones need `rollback`. */
  cancel(at: TransactionName): Promise<CancelOutcome> {
    // The label in the query wins over the one in the path (BaseRequest.java), and is quoted more safely there.
    const label = encodeURIComponent(at.label)
    const path = `/api/${encodeURIComponent(at.database)}/${label}/_cancel?label=${label}`
    const request = { method: 'POST', path, headers: [], isRepeatable: true } as const
    return this.#call(request, contextOf('cancelling', at, true), classifyCancel)
  }

  /**
   * Evidence about a commit, from the transaction's state. Waits until a committed transaction is visible, at most
   * `waitMs`; `visible-pending` when that was too short. `unknown` when no FE can tell: never commit anew, never go on.
   */
  async settle(at: TransactionName, waitMs: number): Promise<CommitOutcome> {
    let last: CommitOutcome = { kind: 'unknown', reason: 'not asked yet' }
    const settled = await poll<CommitOutcome>(waitMs, this.#pause, async () => {
      const state = await this.state(at)
      last = resolveCommit(state)
      const isOpen = last.kind === 'visible-pending' || (last.kind === 'unknown' && state.kind === 'unknown')
      return isOpen ? undefined : last
    })
    return settled ?? last
  }

  /**
   * Makes sure that an unwanted label never becomes visible: rollback, and for one whose backend is gone, or waits for
   * the rest of a load that nobody sends, cancel. `committed` when it is too late, `not-found` when the server does not
   * know the label.
   */
  async abandon(at: TransactionName): Promise<RollbackOutcome> {
    let last: RollbackOutcome = { kind: 'unknown', reason: 'not asked yet' }
    let rollbacks = 0
    const done = await poll<RollbackOutcome>(ABANDON_MS, this.#pause, async () => {
      last = await this.rollback(at)
      rollbacks += 1
      const isStuck = last.kind === 'busy' && rollbacks > BUSY_ROLLBACKS
      if (isStuck || last.kind === 'unknown' || last.kind === 'not-found')
        last = (await this.#abandonByState(at)) ?? last
      return last.kind === 'busy' || last.kind === 'unknown' ? undefined : last
    })
    return done ?? last
  }

  /** Undefined when the state leaves the answer of the rollback as it is. */
  async #abandonByState(at: TransactionName): Promise<RollbackOutcome | undefined> {
    const found = await this.state(at)
    if (found.kind !== 'state') return found
    switch (found.state) {
      case 'ABORTED':
        return { kind: 'already-rolled-back' }
      case 'COMMITTED':
      case 'VISIBLE':
        return { kind: 'committed', reason: found.state }
      case 'UNKNOWN':
        return { kind: 'not-found', reason: 'the server does not know the label' }
      case 'PREPARED':
        return { kind: 'busy', reason: 'still PREPARED' }
      case 'PREPARE': {
        const cancelled = await this.cancel(at)
        if (cancelled.kind === 'cancelled') return { kind: 'rolled-back' }
        return cancelled.kind === 'failed' ? cancelled : { kind: 'busy', reason: 'still PREPARE' }
      }
    }
  }

  /** Closes all connections. Prepared transactions stay prepared. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close()
  }

  #post<T>(
    operation: 'begin' | 'prepare' | 'commit' | 'rollback',
    headers: HeaderFields,
    context: ReplyContext,
    isRepeatable: boolean,
    classify: (reply: HttpReply, context: ReplyContext) => T,
  ): Promise<T | Unknown | Failed> {
    return this.#call(
      { method: 'POST', path: `/api/transaction/${operation}`, headers, isRepeatable },
      context,
      classify,
    )
  }

  #call<T>(
    request: Omit<LoadRequest, 'doing'>,
    context: ReplyContext,
    classify: (reply: HttpReply, context: ReplyContext) => T,
  ): Promise<T | Unknown | Failed> {
    return classifiedCall(this.#http, { ...request, doing: context.doing }, (reply) => classify(reply, context))
  }
}

function namesOf(at: TransactionName): HeaderFields {
  return [
    ['db', at.database],
    ['label', at.label],
  ]
}

function contextOf(doing: string, at: TransactionName, holdsData: boolean): ReplyContext {
  return { doing: `${doing} ${at.label} in ${at.database}`, label: at.label, holdsData }
}
