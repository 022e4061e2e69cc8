import type { CheckpointId, PendingCommittable, RunEpoch, SweepScope } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { CheckpointEntry, LogEntry } from './entries.ts'

/** What the log says, folded: where a start goes on, what is still to be committed, who may have left work behind. */
export interface Lineage {
  /** The highest claimed epoch, 0 when nobody ever started. */
  readonly epoch: RunEpoch
  readonly lastSeq: number
  /** Published checkpoints that no decision voided, oldest first. */
  readonly checkpoints: readonly CheckpointEntry[]
  readonly newest: CheckpointEntry | undefined
  readonly confirmedUpTo: CheckpointId
  /** Committables of the newest checkpoint that are not known committed, oldest first. */
  readonly pending: readonly PendingCommittable[]
  /** Checkpoints of which a person has found a part in its sink: they cannot be taken back. */
  readonly marked: ReadonlySet<CheckpointId>
  /** Greater than every id that was ever published, voided ones included. */
  readonly nextCheckpoint: CheckpointId
  readonly ended: 'finished' | 'stopped' | undefined
}

/** Entries in order of their sequence numbers; older ones may have been collected. */
export function foldLineage(entries: readonly LogEntry[]): Lineage {
  let epoch = 0
  let lastSeq = -1
  let confirmedUpTo = 0
  let nextCheckpoint = 1
  let ended: Lineage['ended']
  const published: CheckpointEntry[] = []
  const voided = new Set<CheckpointId>()
  const marked = new Set<CheckpointId>()
  const settled: ((item: PendingCommittable) => boolean)[] = []
  for (const entry of entries) {
    if (entry.seq <= lastSeq) throw mixed(entry, 'entries are out of order')
    lastSeq = entry.seq
    switch (entry.kind) {
      case 'claim':
        // Claims are never collected, so none can be missing.
        if (entry.epoch !== epoch + 1) throw mixed(entry, `epoch ${entry.epoch} was claimed after ${epoch}`)
        epoch = entry.epoch
        ended = ended === 'finished' ? 'finished' : undefined
        break
      case 'checkpoint':
        if (entry.epoch !== epoch) throw mixed(entry, `epoch ${entry.epoch} published after ${epoch} claimed`)
        if (entry.checkpoint < nextCheckpoint) throw mixed(entry, `checkpoint ${entry.checkpoint} appears again`)
        nextCheckpoint = entry.checkpoint + 1
        published.push(entry)
        ended = undefined
        break
      case 'confirm':
        confirmedUpTo = Math.max(confirmedUpTo, entry.checkpoint)
        break
      case 'decision': {
        const { decision } = entry
        if (decision.action === 'mark-committed') marked.add(decision.checkpoint)
        if (decision.action === 'rewind') voided.add(decision.void)
        else settled.push((item) => item.checkpoint === decision.checkpoint && item.sink === decision.sink)
        break
      }
      case 'stopped':
      case 'finished':
        ended = entry.kind
        break
    }
  }
  const checkpoints = published.filter((entry) => !voided.has(entry.checkpoint))
  const newest = checkpoints.at(-1)
  const pending = (newest?.pending ?? []).filter(
    (item) => item.checkpoint > confirmedUpTo && !voided.has(item.checkpoint) && !settled.some((is) => is(item)),
  )
  return { epoch, lastSeq, checkpoints, newest, confirmedUpTo, pending, marked, nextCheckpoint, ended }
}

/**
 * Drops claims that count for nobody. A process that slept between reading the log and claiming may find its slot empty
 * again, because what stood there was collected. Such a claim is known by what follows it: entries of a lower epoch, or
 * another claim of the same one.
 */
export function withoutLateClaims(entries: readonly LogEntry[]): LogEntry[] {
  const counted: LogEntry[] = []
  let lowest = Infinity
  for (const entry of entries.toReversed()) {
    if (entry.kind === 'claim' && entry.epoch > lowest) continue
    counted.push(entry)
    lowest = Math.min(lowest, entry.kind === 'claim' ? entry.epoch - 1 : entry.epoch)
  }
  return counted.reverse()
}

/**
 * Whose leftovers a starting run looks for, with the ids that each may have begun and not published. One checkpoint is
 * cut while the next one is open, hence `ahead`.
 *
 * A process sweeps before it confirms what it has published itself, so everything older than such a process is clean.
 * Its own epochs, one for each rewind, are not; nor is it a proof when a later process made its confirmation up.
 */
export function sweepScope(entries: readonly LogEntry[], own: RunEpoch, ahead = 1): SweepScope {
  const runs: { epoch: RunEpoch; from: CheckpointId; to: CheckpointId }[] = []
  let next = 1
  let cleanBelow = 0
  const firstEpochOf = new Map<string, RunEpoch>()
  const publisherOf = new Map<CheckpointId, string>()
  for (const entry of entries) {
    if (entry.kind === 'claim') {
      runs.push({ epoch: entry.epoch, from: next, to: next + ahead })
      if (!firstEpochOf.has(entry.nonce)) firstEpochOf.set(entry.nonce, entry.epoch)
    }
    const run = runs.at(-1)
    if (entry.kind === 'checkpoint') {
      next = entry.checkpoint + 1
      publisherOf.set(entry.checkpoint, entry.nonce)
      if (run !== undefined) runs[runs.length - 1] = { ...run, from: next, to: next + ahead }
    }
    if (entry.kind === 'confirm' && publisherOf.get(entry.checkpoint) === entry.nonce) {
      cleanBelow = Math.max(cleanBelow, firstEpochOf.get(entry.nonce) ?? 0)
    }
  }
  const keep = foldLineage(entries).pending.map((item) => item.committable)
  return { below: own, runs: runs.filter((run) => run.epoch < own && run.epoch >= cleanBelow), keep }
}

function mixed(entry: LogEntry, why: string): MillraceError {
  return new MillraceError(`checkpoint log entry ${entry.seq} does not fit its predecessors: ${why}`, {
    code: 'STORE_CORRUPT',
    detail: { seq: entry.seq, kind: entry.kind },
  })
}
