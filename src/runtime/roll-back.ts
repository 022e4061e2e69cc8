import { isDeepStrictEqual } from 'node:util'
import type { CheckpointEntry } from '../checkpoint/entries.ts'
import { foldLineage } from '../checkpoint/lineage.ts'
import type { PlanIdentity } from '../checkpoint/restore.ts'
import { planRollback, whyNoRollback, type Rollback } from '../checkpoint/rollback.ts'
import type { LogEntry } from '../checkpoint/entries.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import type { Ledger } from '../storage/ledger.ts'
import { examinePending } from './decide.ts'
import type { SinkSide } from './sink-side.ts'

/** What going back would do. Changes nothing; throws CONFIG when it cannot be done. */
export async function lookBack(
  target: CheckpointEntry,
  entries: readonly LogEntry[],
  plan: PlanIdentity,
  sinks: SinkSide,
): Promise<Rollback> {
  const lineage = foldLineage(entries)
  const examined = await examinePending(lineage, sinks)
  const why = whyNoRollback(target, entries, lineage, plan, examined)
  if (why !== undefined) {
    throw new MillraceError(`not gone back to checkpoint ${target.checkpoint}: ${why}`, { code: 'CONFIG' })
  }
  return planRollback(target, entries, lineage, examined)
}

export interface RollBackOptions {
  /** Has claimed an epoch: whoever ran before can publish nothing any more. */
  readonly ledger: Ledger
  readonly sinks: SinkSide
  readonly plan: Plan
  readonly identity: PlanIdentity
  readonly by: string
  readonly reason: string
}

/**
 * Publishes the positions of an older checkpoint under a new number, on top of the newest: one entry, so that there is no
 * moment in which the job is half back. What is prepared is aborted before, or an older instance, which believes that it
 * is published, could commit it after.
 */
export async function rollBack(
  { ledger, sinks, plan, identity, by, reason }: RollBackOptions,
  target: CheckpointEntry,
  seen: Rollback,
): Promise<CheckpointId> {
  const now = await lookBack(target, ledger.entries, identity, sinks)
  if (!isDeepStrictEqual(now, seen)) {
    throw new MillraceError('what going back would do has changed since you looked: nothing was done. Look again', {
      code: 'CONFIG',
    })
  }
  await abortPending(ledger, sinks)
  const { nextCheckpoint: checkpoint, newest } = ledger.lineage()
  const { sources, checkpoint: to } = target
  await ledger.rollBack({
    checkpoint,
    fingerprint: plan.fingerprint,
    delivery: plan.delivery.class,
    sources,
    pending: [],
    sinks: newest?.sinks ?? target.sinks,
    accounting: { read: 0, copied: 0, filtered: 0, deadLettered: 0, written: 0 },
    ...(target.state && { state: target.state }),
    ...(target.deadLetters && { deadLetters: target.deadLetters }),
    tookMs: 0,
    rollback: { to, by, reason },
  })
  await ledger.confirm(checkpoint)
  return checkpoint
}

async function abortPending(ledger: Ledger, sinks: SinkSide): Promise<void> {
  for (const { item, evidence } of await examinePending(ledger.lineage(), sinks)) {
    if (evidence.state !== 'committable') continue
    const outcome = await sinks.coordinators.get(item.sink)?.abort(item.committable)
    if (outcome === 'aborted') continue
    throw new MillraceError(
      `${item.rows} rows of checkpoint ${item.checkpoint} in ${item.sink} were not aborted: the sink says ` +
        `${outcome ?? 'nothing'}. The job has not gone back; look again`,
      { code: 'OUTCOME_UNKNOWN' },
    )
  }
}
