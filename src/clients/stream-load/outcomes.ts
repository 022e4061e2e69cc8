import type { MillraceError } from '../../core/errors.ts'

/** Row counters of one transaction, as the server counted them. Sent rows must equal `loaded`, `filtered` must be 0. */
export interface LoadCounts {
  readonly total: number
  readonly loaded: number
  readonly filtered: number
  /** Rows left out by a `where` header. */
  readonly unselected: number
}

/** A refusal that is certain: the server did not do it. `error` says what to do next. */
export interface Failed {
  readonly kind: 'failed'
  readonly error: MillraceError
}

/** Nobody can tell from the reply (or its absence) whether the server did it. Ask for evidence. */
export interface Unknown {
  readonly kind: 'unknown'
  readonly reason: string
}

/** Nothing was done and nothing is wrong: the same call may be sent again, after a pause. */
export interface Busy {
  readonly kind: 'busy'
  readonly reason: string
}

/**
 * What became of a commit. There is no value "failed, go on": whatever is not proven is `unknown`.
 *
 * - `committed`: this call committed it.
 * - `already-committed`: an earlier call did (success).
 * - `visible-pending`: committed for good, readers do not see it yet: wait for VISIBLE before confirming.
 * - `retry`: not committed, still committable: send the same commit again after a pause, a bounded number of times.
 * - `lost`: proven not committed, and it never can be: `expired` when the server says its time limit ended it.
 * - `unknown`: only evidence can tell; when that is exhausted too, an operator has to (OUTCOME_UNKNOWN).
 */
export type CommitOutcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'already-committed' }
  | { readonly kind: 'visible-pending'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string }
  | { readonly kind: 'lost'; readonly why: 'aborted' | 'expired'; readonly reason: string }
  | Unknown
  | Failed

/**
 * What became of a rollback.
 *
 * - `rolled-back`, `already-rolled-back`: proof that nothing of it is or ever becomes visible.
 * - `committed`: refused, because it is committed.
 * - `not-found`: the server knows no such transaction. No proof: it may have been committed and forgotten.
 * - `busy`: send the same rollback again after a pause.
 */
export type RollbackOutcome =
  | { readonly kind: 'rolled-back' }
  | { readonly kind: 'already-rolled-back' }
  | { readonly kind: 'committed'; readonly reason: string }
  | { readonly kind: 'not-found'; readonly reason: string }
  | Busy
  | Unknown
  | Failed

/**
 * One plain (one-phase) load.
 *
 * - `loaded`: this call did it; `isVisible` is false when readers have to wait a little.
 * - `loaded-before`: the label was used before, by a load that is committed; this body was not taken.
 */
export type PlainLoadOutcome =
  | { readonly kind: 'loaded'; readonly txnId: bigint; readonly counts: LoadCounts; readonly isVisible: boolean }
  | { readonly kind: 'loaded-before' }
  | Unknown
  | Failed

/** A load in progress. The caller feeds the body; the server may answer before its end. */
export interface LoadStream<Outcome> {
  readonly label: string
  /** Resolves, never rejects, as soon as the outcome is known: also in the middle of the body. */
  readonly outcome: Promise<Outcome>
  /**
   * Resolves when the socket took all bytes (back-pressure): the buffer may be used again. One or two writes in flight
   * keep the wire full. Rejects when the load is over; `outcome` then tells why.
   */
  write(chunk: Uint8Array): Promise<void>
  /** Ends the body and waits for the outcome. */
  end(): Promise<Outcome>
  /** Cuts the load off. What the server already has must be rolled back by label. */
  destroy(): void
}
