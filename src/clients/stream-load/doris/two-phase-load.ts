import { assert } from '../../../core/assert.ts'
import { classifiedCall, classifiedStream } from '../classified.ts'
import { checkEndpoint, type StreamLoadEndpoint } from '../endpoint.ts'
import type { HeaderFields } from '../header-safety.ts'
import { StreamLoadHttp } from '../http.ts'
import type { CommitOutcome, Failed, LoadStream, RollbackOutcome, Unknown } from '../outcomes.ts'
import { type Pause, poll, systemPause } from '../pause.ts'
import type { HttpReply } from '../reply-parser.ts'
import type { ReplyContext } from '../reply-result.ts'
import type { Resolver } from '../resolve.ts'
import { askDoris } from './backends.ts'
import {
  classifyAbort,
  classifyCommit,
  classifyPrecommit,
  classifyState,
  type DorisStateOutcome,
  type PrecommitOutcome,
  resolveCommit,
} from './classify.ts'

/** A load to be: one request is one transaction, in one table. */
export interface DorisLoadName {
  readonly database: string
  readonly table: string
  readonly label: string
}

/** A precommitted transaction. The id decides; the label is the evidence when the id is forgotten. */
export interface DorisTransactionName {
  readonly database: string
  readonly label: string
  readonly txnId: bigint
}

export interface DorisOptions {
  readonly pause?: Pause
  readonly resolver?: Resolver
}

const ABANDON_MS = 10_000

/**
 * Stream Load in two phases: one streaming request precommits, then `commit` or `abort` by transaction id. Any backend
 * takes any call, so a dead one does not hold up a commit.
 */
export class DorisTwoPhaseLoads implements AsyncDisposable {
  readonly #http: StreamLoadHttp
  readonly #pause: Pause

  /** @throws MillraceError CONFIG */
  constructor(endpoint: StreamLoadEndpoint, options: DorisOptions = {}) {
    this.#http = new StreamLoadHttp(checkEndpoint(endpoint), askDoris, options.resolver)
    this.#pause = options.pause ?? systemPause
  }

  /**
   * Opens a load that ends PRECOMMITTED. An outcome other than `precommitted` is never repeated under the same label
   * without evidence: ask `state`, then `abandon` it.
   *
   * @throws MillraceError when no backend asked for the body: nothing was sent.
   */
  async load(at: DorisLoadName & { readonly headers: HeaderFields }): Promise<LoadStream<PrecommitOutcome>> {
    const context: ReplyContext = { doing: doingOf('loading', at), label: at.label, holdsData: true }
    const body = await this.#http.open({
      method: 'PUT',
      path: `/api/${encodeURIComponent(at.database)}/${encodeURIComponent(at.table)}/_stream_load`,
      headers: [['label', at.label], ['two_phase_commit', 'true'], ...at.headers],
      isRepeatable: false,
      doing: context.doing,
    })
    return classifiedStream<PrecommitOutcome>(at.label, body, (reply) => classifyPrecommit(reply, context))
  }

  /**
   * Second phase, safe to repeat. Doris answers before readers see the rows, so success is `visible-pending`:
   * `settle` waits for VISIBLE. After `unknown`: `settle`.
   */
  commit(at: DorisTransactionName): Promise<CommitOutcome> {
    return this.#finish('commit', 'committing', at, txnHeader(at.txnId), classifyCommit)
  }

  /** Undoes a precommitted transaction by its id. Safe to repeat. */
  abort(at: DorisTransactionName): Promise<RollbackOutcome> {
    return this.#finish('abort', 'aborting', at, txnHeader(at.txnId), classifyAbort)
  }

  /** The state of the newest transaction with this label, as the leader FE knows it. */
  state(at: { readonly database: string; readonly label: string }): Promise<DorisStateOutcome> {
    const context: ReplyContext = { doing: doingOf('asking for the state of', at), label: at.label, holdsData: false }
    const path = `/api/${encodeURIComponent(at.database)}/get_load_state?label=${encodeURIComponent(at.label)}`
    const request = { method: 'GET', path, headers: [], isRepeatable: true, doing: context.doing } as const
    return classifiedCall(this.#http, request, (reply) => classifyState(reply, context))
  }

  /**
   * Evidence about a commit, from the label's state. Waits until a committed transaction is visible, at most `waitMs`;
   * `visible-pending` when that was too short. `unknown` when no FE can tell.
   */
  async settle(at: DorisTransactionName, waitMs: number): Promise<CommitOutcome> {
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
   * Makes sure that an unwanted label never becomes visible, when its id may not be known (2.0 or newer: abort by label
   * takes PREPARE and PRECOMMITTED ones). `committed` when it is too late, `not-found` when the label is unknown.
   */
  async abandon(at: { readonly database: string; readonly label: string }): Promise<RollbackOutcome> {
    let last: RollbackOutcome = { kind: 'unknown', reason: 'not asked yet' }
    const done = await poll<RollbackOutcome>(ABANDON_MS, this.#pause, async () => {
      const found = await this.state(at)
      last = found.kind === 'state' ? await this.#abandonIn(found.state, at) : found
      return last.kind === 'busy' || last.kind === 'unknown' ? undefined : last
    })
    return done ?? last
  }

  async #abandonIn(
    state: Extract<DorisStateOutcome, { kind: 'state' }>['state'],
    at: { readonly database: string; readonly label: string },
  ): Promise<RollbackOutcome> {
    switch (state) {
      case 'ABORTED':
        return { kind: 'already-rolled-back' }
      case 'COMMITTED':
      case 'VISIBLE':
        return { kind: 'committed', reason: state }
      case 'UNKNOWN':
        return { kind: 'not-found', reason: 'the server does not know the label' }
      case 'PREPARE':
      case 'PRECOMMITTED': {
        const aborted = await this.#finish('abort', 'aborting', at, [['label', at.label]], classifyAbort)
        // By label the server looks at open ones only, so "not found" means that it has just changed: look again.
        return aborted.kind === 'not-found' ? { kind: 'busy', reason: aborted.reason } : aborted
      }
    }
  }

  /** Closes all connections. Precommitted transactions stay precommitted, for one hour by default. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.close()
  }

  #finish<T>(
    operation: 'commit' | 'abort',
    doing: string,
    at: { readonly database: string; readonly label: string },
    key: HeaderFields,
    classify: (reply: HttpReply, context: ReplyContext) => T,
  ): Promise<T | Unknown | Failed> {
    const context: ReplyContext = { doing: doingOf(doing, at), label: at.label, holdsData: true }
    const request = {
      method: 'PUT',
      path: `/api/${encodeURIComponent(at.database)}/_stream_load_2pc`,
      headers: [['txn_operation', operation], ...key],
      isRepeatable: true,
      doing: context.doing,
    } as const
    return classifiedCall(this.#http, request, (reply) => classify(reply, context))
  }
}

function txnHeader(txnId: bigint): HeaderFields {
  assert(txnId >= 0n, 'a precommitted transaction has an id')
  return [['txn_id', String(txnId)]]
}

function doingOf(doing: string, at: { readonly database: string; readonly label: string }): string {
  return `${doing} ${at.label} in ${at.database}`
}
