import type { AcknowledgePermit, CheckpointId, CommitPermit, PendingCommittable } from '../core/checkpoint-types.ts'
import { toMillraceError } from '../core/errors.ts'
import { failpoint } from '../core/failpoints.ts'
import type { RunOptions } from './run-options.ts'
import type { BySource } from './source-side.ts'
import type { SplitState } from '../checkpoint/entries.ts'

type States = Readonly<BySource<readonly SplitState[]>>

/** A checkpoint that the log holds, on its way to being confirmed. */
export interface Published {
  readonly permit: CommitPermit
  readonly items: readonly PendingCommittable[]
  readonly states: States
  /** The run ends with it. */
  readonly isLast: boolean
}

/**
 * What is published and not confirmed. Checkpoints are committed and confirmed one after the other, the tables of one
 * checkpoint side by side; what is pending travels in every manifest until it is confirmed.
 */
export class CommitQueue {
  readonly #options: RunOptions
  readonly #confirmed: (checkpoints: number, permit: AcknowledgePermit) => void
  #pending: readonly PendingCommittable[] = []
  #unconfirmed: readonly CheckpointId[] = []
  #newest: Published | undefined
  #work: Promise<void> = Promise.resolve()

  /** `confirmed` is told how many checkpoints became confirmed at once. */
  constructor(options: RunOptions, confirmed: (checkpoints: number, permit: AcknowledgePermit) => void) {
    this.#options = options
    this.#confirmed = confirmed
  }

  /** Everything published and not known committed, oldest first. */
  get pending(): readonly PendingCommittable[] {
    return this.#pending
  }

  /** Takes a published checkpoint over. Resolves when it is confirmed; rejects with what kept it from that. */
  add(published: Published): Promise<void> {
    this.#pending = [...this.#pending, ...published.items]
    this.#unconfirmed = [...this.#unconfirmed, published.permit.checkpoint]
    this.#newest = published
    // A commit that failed is made up for by the next one, which takes everything that is still pending.
    this.#work = this.#work.catch(() => undefined).then(() => this.#commit(published))
    return this.#work
  }

  /** After a rewind: a commit that failed must not wait for rows that make a next checkpoint. */
  retry(): Promise<void> {
    const newest = this.#newest
    if (newest !== undefined) {
      this.#work = this.#work.catch(() => (this.#unconfirmed.length === 0 ? undefined : this.#commit(newest)))
    }
    return this.#work
  }

  /** Everything that was taken over so far is confirmed. */
  drained(): Promise<void> {
    return this.#work
  }

  async #commit({ permit, states, isLast }: Published): Promise<void> {
    const { ledger, committer, sinks, swept, plan, observe, clock } = this.#options
    const from = clock.now()
    await swept
    if (isLast) failpoint('final.commit', 'before')
    await committer.commitAll(
      permit,
      this.#pending.filter((item) => item.checkpoint <= permit.checkpoint),
    )
    if (isLast) failpoint('final.commit', 'after')
    const acknowledge = await ledger.confirm(permit.checkpoint)
    const isLeft = (checkpoint: CheckpointId): boolean => checkpoint > permit.checkpoint
    const confirmed = this.#unconfirmed.filter((checkpoint) => !isLeft(checkpoint)).length
    const done = this.#pending.filter((item) => !isLeft(item.checkpoint))
    this.#pending = this.#pending.filter((item) => isLeft(item.checkpoint))
    this.#unconfirmed = this.#unconfirmed.filter(isLeft)
    observe({ kind: 'confirmed', checkpoint: permit.checkpoint, tookMs: clock.now() - from })
    this.#confirmed(confirmed, acknowledge)
    await this.#acknowledge(states, acknowledge)
    await sinks.forget(done)
    await ledger.collect(plan.times.retained)
  }

  async #acknowledge(states: States, permit: Parameters<RunOptions['sources']['acknowledge']>[1]): Promise<void> {
    try {
      await this.#options.sources.acknowledge(states, permit)
    } catch (error) {
      // Upstream forgets a little later than it could: that is no reason to read anything again.
      this.#options.logger.warn(`telling the sources what they may forget: ${toMillraceError(error).message}`)
    }
  }
}
