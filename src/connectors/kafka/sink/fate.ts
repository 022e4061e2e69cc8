import type { Evidence } from '../../../core/checkpoint-types.ts'
import type { DescribedTransaction } from '../../../clients/kafka/index.ts'
import type { KafkaCommittable } from './committable.ts'
import type { ProgressEntry } from './progress.ts'

/**
 * What is proven about a transaction. `progress` is the topic up to the end that it had when `coordinator` was already
 * known: a transaction that the coordinator no longer has open cannot change any more, so what the topic shows is final.
 */
export function fateOf(
  committable: KafkaCommittable,
  progress: readonly ProgressEntry[],
  coordinator: DescribedTransaction | undefined,
): Evidence {
  const { handle, lane, epoch, checkpoint } = committable
  const ofLane = progress.filter((entry) => entry.lane === lane)
  const own = ofLane.filter((entry) => entry.checkpoint === checkpoint && entry.epoch === epoch)
  if (own.some(({ outcome }) => outcome === 'committed')) return { state: 'committed' }
  const isCurrent = coordinator?.producerId === handle.producerId && coordinator.producerEpoch === handle.producerEpoch
  if (isCurrent && (coordinator.state === 'Ongoing' || coordinator.state === 'PrepareCommit'))
    return { state: 'committable' }
  if (isCurrent && coordinator.state === 'CompleteCommit') return { state: 'committed' }
  const [aborted] = own.filter(({ outcome }) => outcome === 'aborted')
  if (own.some(({ outcome }) => outcome === 'open'))
    return { state: 'unknown', reason: `${handle.transactionalId} is being ended by its coordinator` }
  if (aborted === undefined) return unseen(committable, ofLane)
  const { endedAtMs, startedAtMs, timeoutMs } = aborted
  const expired = endedAtMs !== undefined && endedAtMs - startedAtMs >= timeoutMs
  const how = expired ? `at its time limit of ${timeoutMs / 1000} s` : 'by somebody else'
  return { state: 'lost', reason: `${handle.transactionalId} was aborted ${how}`, expired }
}

/** Checkpoints of a lane are committed in their order, and compaction keeps the newest. */
function unseen({ handle, epoch, checkpoint }: KafkaCommittable, ofLane: readonly ProgressEntry[]): Evidence {
  const later = ofLane.some(
    (entry) => entry.outcome === 'committed' && entry.checkpoint > checkpoint && entry.epoch >= epoch,
  )
  if (later) return { state: 'committed' }
  const reason = `${handle.transactionalId} has left no record of checkpoint ${checkpoint}`
  return { state: 'lost', reason, expired: false }
}
