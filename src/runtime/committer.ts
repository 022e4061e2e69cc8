import type { CommitPermit, PendingCommittable } from '../core/checkpoint-types.ts'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import type { Clock, Logger } from '../core/context.ts'
import type { SinkCoordinator } from '../core/sink.ts'
import { afterCommit, afterEvidence, type CommitDecision } from '../checkpoint/outcome.ts'
import { backoffMs, COMMIT_BACKOFF } from '../checkpoint/backoff.ts'

/** A published committable that turned out lost, or that nobody can tell about. */
export class CommitTrouble extends Error {
  override readonly name = 'CommitTrouble'
  readonly item: PendingCommittable
  readonly decision: CommitDecision & { do: 'remedy' }

  constructor(item: PendingCommittable, decision: CommitDecision & { do: 'remedy' }) {
    super(`${item.sink}, checkpoint ${item.checkpoint}: ${decision.reason}`)
    this.item = item
    this.decision = decision
  }
}

export interface CommitterOptions {
  readonly sinks: ReadonlyMap<string, SinkCoordinator>
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  readonly signal: AbortSignal
}

/**
 * Commits what is published: in order within an order key, side by side across keys, each until its outcome is known.
 * A commit never makes a new transaction; re-sending data is a decision of its own (checkpoint/remedy.ts).
 */
export class Committer {
  readonly #options: CommitterOptions
  /** Weak: a manifest that was collected takes its committables along. */
  readonly #committed = new WeakSet<PendingCommittable>()

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** What this process knows to be committed. */
  get committed(): Pick<ReadonlySet<PendingCommittable>, 'has'> {
    return this.#committed
  }

  /**
   * Resolves when all items are committed, checkpoint after checkpoint. Rejects with `CommitTrouble`, or when the run was
   * told to end; then nothing of a later checkpoint was tried.
   */
  async commitAll(permit: CommitPermit, items: readonly PendingCommittable[]): Promise<void> {
    const byCheckpoint = Map.groupBy(items, (item) => item.checkpoint)
    for (const [, together] of [...byCheckpoint].sort(([a], [b]) => a - b)) {
      const byKey = Map.groupBy(together, (item) => `${item.sink}\n${item.orderKey}`)
      const results = await Promise.allSettled([...byKey.values()].map((chain) => this.#inOrder(permit, chain)))
      const failed = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
      if (failed.length > 0) throw failed.find((reason) => reason instanceof CommitTrouble) ?? failed[0]
    }
  }

  async #inOrder(permit: CommitPermit, chain: readonly PendingCommittable[]): Promise<void> {
    for (const item of chain) if (!this.#committed.has(item)) await this.#untilKnown(permit, item)
  }

  async #untilKnown(permit: CommitPermit, item: PendingCommittable): Promise<void> {
    const sink = this.#sink(item)
    const { clock, log, signal, random } = this.#options
    for (let attempt = 1; !signal.aborted; attempt++) {
      failpoint('commit', 'before')
      let decision = afterCommit(await commitOnce(sink, permit, item))
      failpoint('commit', 'after')
      if (decision.do === 'ask-evidence') decision = await this.#afterEvidence(sink, item)
      if (decision.do === 'done') {
        this.#committed.add(item)
        failpoint('commit.nth', 'after')
        return
      }
      if (decision.do === 'remedy') throw new CommitTrouble(item, decision)
      const pause = backoffMs(attempt, COMMIT_BACKOFF, random())
      log.warn(`committing checkpoint ${item.checkpoint} to ${item.sink} again in ${pause} ms: ${decision.reason}`)
      await clock.sleep(pause, signal)
    }
    throw new MillraceError('the run ended before everything was committed', { code: 'INTERRUPTED' })
  }

  async #afterEvidence(sink: SinkCoordinator, item: PendingCommittable): Promise<CommitDecision> {
    failpoint('evidence', 'before')
    try {
      const [evidence] = await sink.evidence([item.committable])
      failpoint('evidence', 'after')
      return afterEvidence(evidence ?? { state: 'unknown', reason: 'the sink gave no evidence' })
    } catch (thrown) {
      return retryUnlessFinal(thrown)
    }
  }

  #sink(item: PendingCommittable): SinkCoordinator {
    const sink = this.#options.sinks.get(item.sink)
    if (sink === undefined) throw new MillraceError(`there is no sink "${item.sink}"`, { code: 'CONFIG' })
    return sink
  }
}

/** Errors of the way there are worth a retry; what the connector calls final stays final. */
async function commitOnce(
  sink: SinkCoordinator,
  permit: CommitPermit,
  item: PendingCommittable,
): Promise<Awaited<ReturnType<SinkCoordinator['commit']>>> {
  try {
    return await sink.commit(permit, item.committable)
  } catch (thrown) {
    return { outcome: 'retry', reason: retryUnlessFinal(thrown).reason }
  }
}

function retryUnlessFinal(thrown: unknown): CommitDecision & { do: 'retry' } {
  const error = toMillraceError(thrown)
  if (error.retry === 'halt') throw error
  return { do: 'retry', reason: error.message }
}
