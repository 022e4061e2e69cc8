import { isDeepStrictEqual } from 'node:util'
import type {
  CheckpointId,
  PendingCommittable,
  RunEpoch,
  SweepScope,
  UnconfirmedWork,
} from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { Beginning, CheckpointEntry, Decision, LogEntry } from './entries.ts'

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
  /** Committables of the newest checkpoint that are known committed, without those that a person has decided about. */
  readonly confirmed: readonly PendingCommittable[]
  /**
   * Checkpoints of which a person has decided that a sink's part stays as it is: they cannot be taken back. What was found
   * in a sink is visible, and so may be the rest of a part that was given up.
   */
  readonly decided: ReadonlySet<CheckpointId>
  /** Greater than every id that was ever published, voided ones included. */
  readonly nextCheckpoint: CheckpointId
  /** Where sources began, as it was resolved at their first start; kept until a confirmed checkpoint knows them. */
  readonly beginnings: Readonly<Record<string, Beginning>>
  /** Sources of which a checkpoint was published, voided ones included. */
  readonly publishedSources: ReadonlySet<string>
  readonly ended: 'finished' | 'stopped' | undefined
}

/** Entries in order of their sequence numbers, from a claim on; older ones may have been collected. */
export function foldLineage(entries: readonly LogEntry[]): Lineage {
  let epoch = epochBefore(entries)
  let lastSeq = -1
  let confirmedUpTo = 0
  let nextCheckpoint = 1
  let ended: Lineage['ended']
  const published: CheckpointEntry[] = []
  const voided = new Set<CheckpointId>()
  const decided = new Set<CheckpointId>()
  const settled: ((item: PendingCommittable) => boolean)[] = []
  const reloads: Reload[] = []
  const publishedSources = new Set<string>()
  let beginnings: Lineage['beginnings'] = {}
  for (const entry of entries) {
    if (entry.seq <= lastSeq) throw mixed(entry, 'entries are out of order')
    lastSeq = entry.seq
    switch (entry.kind) {
      case 'claim':
        // Claims are never collected, so none can be missing.
        if (entry.epoch !== epoch + 1) throw mixed(entry, `epoch ${entry.epoch} was claimed after ${epoch}`)
        epoch = entry.epoch
        nextCheckpoint = Math.max(nextCheckpoint, entry.next)
        ended = ended === 'finished' ? 'finished' : undefined
        break
      case 'begin':
        beginnings = { ...beginnings, ...entry.sources }
        break
      case 'checkpoint':
        if (entry.epoch !== epoch) throw mixed(entry, `epoch ${entry.epoch} published after ${epoch} claimed`)
        if (entry.checkpoint < nextCheckpoint) throw mixed(entry, `checkpoint ${entry.checkpoint} appears again`)
        nextCheckpoint = entry.checkpoint + 1
        published.push(entry)
        for (const source of Object.keys(entry.sources)) publishedSources.add(source)
        ended = undefined
        break
      case 'confirm':
        confirmedUpTo = Math.max(confirmedUpTo, entry.checkpoint)
        break
      case 'decision': {
        const { decision } = entry
        if (decision.action === 'rewind') voided.add(decision.void)
        else if (decision.action === 'reload') reloads.push(decision)
        else {
          decided.add(decision.checkpoint)
          settled.push((item) => item.checkpoint === decision.checkpoint && item.sink === decision.sink)
        }
        break
      }
      case 'swept':
        break
      case 'stopped':
      case 'finished':
        ended = entry.kind
        break
    }
  }
  const checkpoints = published.filter((entry) => !voided.has(entry.checkpoint))
  const newest = checkpoints.at(-1)
  const unsettled = (newest?.pending ?? [])
    .filter((item) => !voided.has(item.checkpoint) && !settled.some((is) => is(item)))
    .map((item) => reloads.reduce(afterReload, item))
  const pending = unsettled.filter((item) => item.checkpoint > confirmedUpTo)
  const confirmed = unsettled.filter((item) => item.checkpoint <= confirmedUpTo)
  return {
    epoch,
    lastSeq,
    checkpoints,
    newest,
    confirmedUpTo,
    pending,
    confirmed,
    decided,
    nextCheckpoint,
    beginnings,
    publishedSources,
    ended,
  }
}

type Reload = Decision & { action: 'reload' }

/** What stands in the place of an item after its rows were loaded once more; itself where it is another one. */
export function afterReload(
  item: PendingCommittable,
  { checkpoint, sink, lost, item: next }: Reload,
): PendingCommittable {
  const isMeant = item.checkpoint === checkpoint && item.sink === sink && isDeepStrictEqual(item.committable, lost)
  return isMeant ? next : item
}

/** A log begins with the claim of epoch 1; a part of it with the claim that its later entries call their base. */
function epochBefore([first]: readonly LogEntry[]): RunEpoch {
  if (first === undefined || first.seq === 0) return 0
  if (first.kind !== 'claim') throw mixed(first, 'the claim before it is missing')
  return first.epoch - 1
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
 */
export function sweepScope(entries: readonly LogEntry[], own: RunEpoch, ahead = 1): SweepScope {
  const { pending, nextCheckpoint } = foldLineage(entries)
  const clean = entries.at(-1)?.clean ?? 0
  const claims = entries.filter((entry) => entry.kind === 'claim')
  const runs = claims.map(({ epoch }, index) => {
    // What the next epoch begins with is the first that this one has not published.
    const from = claims[index + 1]?.next ?? nextCheckpoint
    return { epoch, from, to: from + ahead }
  })
  return {
    below: own,
    runs: runs.filter(({ epoch }) => epoch < own && epoch >= clean),
    keep: pending.map((item) => item.committable),
    unconfirmed: unconfirmedWork(entries).filter(({ epoch }) => epoch < own && epoch >= clean),
  }
}

/** What was pending when an epoch ended, which is when the next one was claimed. */
function unconfirmedWork(entries: readonly LogEntry[]): UnconfirmedWork[] {
  const found: UnconfirmedWork[] = []
  let pending: readonly PendingCommittable[] = []
  let epoch = 0
  for (const entry of entries) {
    if (entry.kind === 'claim') {
      found.push(...pending.map(({ sink, committable }) => ({ epoch, sink, committable })))
      epoch = entry.epoch
    } else if (entry.kind === 'checkpoint') pending = entry.pending
    else if (entry.kind === 'confirm') pending = pending.filter(({ checkpoint }) => checkpoint > entry.checkpoint)
    else if (entry.kind === 'decision') pending = afterDecision(pending, entry.decision)
  }
  return found
}

function afterDecision(pending: readonly PendingCommittable[], decision: Decision): readonly PendingCommittable[] {
  if (decision.action === 'rewind') return pending.filter(({ checkpoint }) => checkpoint !== decision.void)
  if (decision.action === 'reload') return pending.map((item) => afterReload(item, decision))
  return pending.filter(({ checkpoint, sink }) => checkpoint !== decision.checkpoint || sink !== decision.sink)
}

/** With so many epochs to sweep, a start says at once that it has: the next one may die before it writes anything, too. */
const WORTH_NOTING = 16

/** Whether a sweep is worth an entry of its own, and does not wait for the next one to say so. */
export function isWorthNoting({ runs }: SweepScope): boolean {
  return runs.length >= WORTH_NOTING
}

/**
 * The slot from which a start has to read: the claim under which the oldest checkpoint that is kept was published, or the
 * first one whose leftovers are not swept, if that is older. `undefined` in an empty log.
 */
export function baseOf(entries: readonly LogEntry[]): number | undefined {
  const clean = entries.at(-1)?.clean ?? 0
  let claim: number | undefined
  for (const entry of entries) {
    if (entry.kind === 'claim') claim = entry.seq
    const isNeeded =
      entry.kind === 'claim' ? entry.epoch >= clean : entry.kind === 'checkpoint' || entry.kind === 'begin'
    if (isNeeded) break
  }
  return claim
}

function mixed(entry: LogEntry, why: string): MillraceError {
  return new MillraceError(`checkpoint log entry ${entry.seq} does not fit its predecessors: ${why}`, {
    code: 'STORE_CORRUPT',
    detail: { seq: entry.seq, kind: entry.kind },
  })
}
