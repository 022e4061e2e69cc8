import type { CheckpointId, CommitPermit, Evidence, PendingCommittable } from '../core/checkpoint-types.ts'
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
  readonly #tails = new Map<string, Promise<unknown>>()
  readonly #committed = new Set<PendingCommittable>()

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** What this process knows to be committed. */
  get committed(): ReadonlySet<PendingCommittable> {
    return this.#committed
  }

  /** Resolves when all items are committed. Rejects with `CommitTrouble`, or when the run was told to end. */
  async commitAll(permit: CommitPermit, items: readonly PendingCommittable[]): Promise<void> {
    const results = await Promise.allSettled(items.map((item) => this.#inOrder(permit, item)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #inOrder(permit: CommitPermit, item: PendingCommittable): Promise<void> {
    const key = `${item.sink}\n${item.orderKey}`
    const turn = (this.#tails.get(key) ?? Promise.resolve()).then(() => this.#untilKnown(permit, item))
    this.#tails.set(
      key,
      turn.catch(() => undefined),
    )
    return turn
  }

  async #untilKnown(permit: CommitPermit, item: PendingCommittable): Promise<void> {
    const sink = this.#sink(item)
    const { clock, log, signal, random } = this.#options
    for (let attempt = 1; !signal.aborted; attempt++) {
      failpoint('commit', 'before')
      let decision = afterCommit(await commitOnce(sink, permit, item))
      failpoint('commit', 'after')
      if (decision.do === 'ask-evidence') decision = afterEvidence(await this.#evidence(sink, item))
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

  async #evidence(sink: SinkCoordinator, item: PendingCommittable): Promise<Evidence> {
    failpoint('evidence', 'before')
    const [evidence] = await sink.evidence([item.committable])
    failpoint('evidence', 'after')
    return evidence ?? { state: 'unknown', reason: 'the sink gave no evidence' }
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
    const error = toMillraceError(thrown)
    if (error.retry === 'halt') throw error
    return { outcome: 'retry', reason: error.message }
  }
}

/** The newest checkpoint of which, and of all before it, everything is committed. */
export function confirmable(done: ReadonlyMap<CheckpointId, boolean>): CheckpointId | undefined {
  let newest: CheckpointId | undefined
  for (const [checkpoint, isDone] of [...done].sort(([a], [b]) => a - b)) {
    if (!isDone) break
    newest = checkpoint
  }
  return newest
}
