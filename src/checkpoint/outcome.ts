import type { CommitOutcome, Evidence } from '../core/checkpoint-types.ts'
import type { ErrorCode } from '../core/error-codes.ts'

/** What to do after a commit call or an evidence query. There is no way to "failed, go on". */
export type CommitDecision =
  | { readonly do: 'done'; readonly already: boolean }
  | { readonly do: 'retry'; readonly reason: string }
  | { readonly do: 'ask-evidence'; readonly reason: string }
  /** Exactly-once can only be kept by a remedy: loading kept rows again, rewinding, or a person's decision. */
  | { readonly do: 'remedy'; readonly code: ErrorCode; readonly reason: string; readonly isKept: boolean }

export function afterCommit(outcome: CommitOutcome): CommitDecision {
  switch (outcome.outcome) {
    case 'committed':
      return { do: 'done', already: false }
    case 'already-committed':
      return { do: 'done', already: true }
    case 'retry':
      return { do: 'retry', reason: outcome.reason }
    case 'lost':
    case 'unknown':
      // Also a "lost" is checked once more by asking: one wrong word of a server must not void a checkpoint.
      return { do: 'ask-evidence', reason: outcome.reason }
  }
}

export function afterEvidence(evidence: Evidence): CommitDecision {
  switch (evidence.state) {
    case 'committed':
      return { do: 'done', already: true }
    case 'committable':
      return { do: 'retry', reason: 'the sink still holds it prepared' }
    case 'lost':
      return {
        do: 'remedy',
        code: evidence.expired ? 'PREPARED_EXPIRED' : 'PREPARED_LOST',
        reason: evidence.reason,
        isKept: evidence.isKept === true,
      }
    case 'unknown':
      return { do: 'remedy', code: 'OUTCOME_UNKNOWN', reason: evidence.reason, isKept: false }
  }
}
