import type { PendingCommittable } from '../core/checkpoint-types.ts'
import type { LogEntry } from './entries.ts'
import { afterReload, type Lineage } from './lineage.ts'

/**
 * What became of a transaction, as the log knows it. `found` and `given-up` are the decisions of a person, `voided` that
 * its checkpoint does not count, `loaded-again` that another transaction with the same rows stands in its place.
 */
export type TransactionFate = 'committed' | 'pending' | 'found' | 'given-up' | 'voided' | 'loaded-again'

export function fateOf(item: PendingCommittable, entries: readonly LogEntry[], lineage: Lineage): TransactionFate {
  for (const entry of entries) {
    if (entry.kind !== 'decision') continue
    const { decision } = entry
    if (decision.action === 'rewind') {
      if (decision.void === item.checkpoint) return 'voided'
    } else if (decision.action === 'reload') {
      if (afterReload(item, decision) !== item) return 'loaded-again'
    } else if (decision.checkpoint === item.checkpoint && decision.sink === item.sink) {
      return decision.action === 'accept-loss' ? 'given-up' : 'found'
    }
  }
  return item.checkpoint <= lineage.confirmedUpTo ? 'committed' : 'pending'
}
