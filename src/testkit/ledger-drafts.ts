import type { PendingCommittable } from '../core/checkpoint-types.ts'
import type { CheckpointLog } from '../storage/checkpoint-log.ts'
import type { Ledger } from '../storage/ledger.ts'
import type { LocalLog } from '../storage/local-log.ts'

/** A manifest that says nothing but its number and what is pending. */
export function draftOf(
  checkpoint: number,
  pending: readonly PendingCommittable[] = [],
): Parameters<Ledger['publish']>[0] {
  return {
    checkpoint,
    pending,
    fingerprint: 'plan',
    delivery: 'exact',
    sources: {},
    sinks: {},
    accounting: { read: 0, copied: 0, filtered: 0, deadLettered: 0, written: 0 },
    tookMs: 1,
  }
}

/** A local log without its thread. `appended` is told of each append that has returned. */
export function overLocal(
  local: LocalLog,
  appended: (seq: number, bytes: Uint8Array) => void = () => undefined,
): CheckpointLog {
  return {
    address: 'memory',
    newest: async () => local.newest(),
    list: async (from) => local.list(from),
    read: async (seq) => local.read(seq),
    append: async (seq, bytes) => {
      const result = local.append(seq, bytes)
      if (result === 'appended') appended(seq, bytes)
      return result
    },
    remove: async (seqs) => local.remove(seqs),
    close: async () => undefined,
  }
}
