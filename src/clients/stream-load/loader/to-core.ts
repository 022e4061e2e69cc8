import type { CommitOutcome as SinkOutcome, Evidence } from '../../../core/checkpoint-types.ts'
import type { MillraceError } from '../../../core/errors.ts'
import type { CommitOutcome, RollbackOutcome } from '../outcomes.ts'

/** The client's word for a commit as the engine's. `settle` waits until a committed transaction is visible. */
export async function toSinkOutcome(
  outcome: CommitOutcome,
  settle: () => Promise<CommitOutcome>,
): Promise<SinkOutcome> {
  switch (outcome.kind) {
    case 'committed':
      return { outcome: 'committed' }
    case 'already-committed':
    case 'visible-pending':
      return afterSettling(await settle(), outcome.kind === 'visible-pending' ? 'committed' : 'already-committed')
    case 'retry':
      return { outcome: 'retry', reason: outcome.reason }
    case 'lost':
      return { outcome: 'lost', reason: outcome.reason, expired: outcome.why === 'expired' }
    case 'unknown':
      return { outcome: 'unknown', reason: outcome.reason }
    case 'failed':
      return failed(outcome.error)
  }
}

/** Evidence from what is known about a transaction after asking for its state. */
export function toEvidence(outcome: CommitOutcome): Evidence {
  switch (outcome.kind) {
    case 'committed':
    case 'already-committed':
    case 'visible-pending':
      return { state: 'committed' }
    case 'retry':
      return { state: 'committable' }
    case 'lost':
      return { state: 'lost', reason: outcome.reason, expired: outcome.why === 'expired' }
    case 'unknown':
      return { state: 'unknown', reason: outcome.reason }
    case 'failed':
      return { state: 'unknown', reason: outcome.error.message }
  }
}

export function toAbort(outcome: RollbackOutcome): 'aborted' | 'committed' | 'unknown' {
  switch (outcome.kind) {
    case 'rolled-back':
    case 'already-rolled-back':
      return 'aborted'
    case 'committed':
      return 'committed'
    case 'not-found':
    case 'busy':
    case 'unknown':
    case 'failed':
      return 'unknown'
  }
}

/** Committed for good; while readers do not see it yet the commit is asked about again before it is confirmed. */
function afterSettling(settled: CommitOutcome, word: 'committed' | 'already-committed'): SinkOutcome {
  switch (settled.kind) {
    case 'committed':
    case 'already-committed':
      return { outcome: word }
    case 'visible-pending':
    case 'retry':
      return { outcome: 'retry', reason: `committed, and not visible yet: ${settled.reason}` }
    // The server contradicts its own answer: only evidence can tell.
    case 'lost':
    case 'unknown':
      return { outcome: 'unknown', reason: settled.reason }
    case 'failed':
      return failed(settled.error)
  }
}

function failed(error: MillraceError): SinkOutcome {
  if (error.code === 'AUTH' || error.code === 'REDIRECT_DENIED') throw error
  return error.retry === 'halt'
    ? { outcome: 'unknown', reason: error.message }
    : { outcome: 'retry', reason: error.message }
}
