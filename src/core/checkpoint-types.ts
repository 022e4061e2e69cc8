import type { Json, JsonObject } from './json.ts'

/** Strictly increasing per pipeline, never reused. */
export type CheckpointId = number

/** Claimed from the checkpoint log at every start and at every soft rewind inside a run; strictly rising. */
export type RunEpoch = number

declare const commitPermitBrand: unique symbol
declare const acknowledgePermitBrand: unique symbol

/**
 * Proof that checkpoint `checkpoint` is published. A sink commits only with it, and only the checkpoint log can make
 * one (law 1: publish before commit).
 */
export interface CommitPermit {
  readonly [commitPermitBrand]: true
  readonly checkpoint: CheckpointId
  /** The epoch that commits, not the one that prepared. */
  readonly epoch: RunEpoch
}

/** Proof that a checkpoint is confirmed. A source acknowledges upstream only with it (law 4). */
export interface AcknowledgePermit {
  readonly [acknowledgePermitBrand]: true
  readonly checkpoint: CheckpointId
}

/**
 * What became of a commit. There is no value for "failed, go on":
 * - `committed`, `already-committed`: done;
 * - `retry`: the same committable may be committed again after a pause;
 * - `lost`: proven not committed, and never committable again;
 * - `unknown`: the sink is asked for evidence; without any, the job halts.
 */
export type CommitOutcome =
  | { readonly outcome: 'committed' | 'already-committed' }
  | { readonly outcome: 'retry'; readonly reason: string }
  | { readonly outcome: 'lost'; readonly reason: string; readonly expired: boolean }
  | { readonly outcome: 'unknown'; readonly reason: string }

/** What a sink can prove about one committable, without changing anything. */
export type Evidence =
  | { readonly state: 'committed' }
  | { readonly state: 'committable' }
  /** `isKept`: its rows are still in the checkpoint storage, and the sink can prepare them once more. */
  | { readonly state: 'lost'; readonly reason: string; readonly expired: boolean; readonly isKept?: boolean }
  | { readonly state: 'unknown'; readonly reason: string }

/** Rows and bytes of a checkpoint at one step. */
export interface Counts {
  readonly rows: number
  readonly bytes: number
}

/** A global committable as manifests carry it: enough to commit, or to decide the outcome, from another process. */
export interface PendingCommittable {
  readonly sink: string
  readonly checkpoint: CheckpointId
  readonly epoch: RunEpoch
  /** Commits with the same key run in order, others in parallel. */
  readonly orderKey: string
  readonly rows: number
  readonly committable: JsonObject
}

/** Work of a sink that may be open or prepared without being in a manifest: what a sweep has to look for. */
export interface SweepScope {
  /** Only work of epochs below this one may be touched. */
  readonly below: RunEpoch
  /** The epochs that were claimed, with the highest checkpoint id that each may have begun. */
  readonly runs: readonly { readonly epoch: RunEpoch; readonly from: CheckpointId; readonly to: CheckpointId }[]
  /** Committables of published checkpoints: never to be touched. */
  readonly keep: readonly JsonObject[]
  /**
   * What each earlier epoch left unconfirmed. Where rows are kept, that epoch may have prepared them once more and died before
   * the log knew of it.
   */
  readonly unconfirmed?: readonly UnconfirmedWork[]
}

export interface UnconfirmedWork {
  readonly epoch: RunEpoch
  readonly sink: string
  readonly committable: JsonObject
}

/** What a sweep did, for the log. */
export interface SweepReport {
  readonly aborted: readonly string[]
  readonly found: number
}

/** What a check found. `error` refuses the start; `warning` and `info` are printed. */
export interface Finding {
  readonly severity: 'error' | 'warning' | 'info'
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** Path of the option in the pipeline, for example `['sinks', 'warehouse', 'url']`. */
  readonly path?: readonly (string | number)[]
  readonly detail?: { readonly [key: string]: Json }
}
