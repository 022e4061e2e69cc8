import type { FileStore } from '../../core/file-store.ts'
import { decodeCommit, hashStats, type CommitMetadata, type WriteStat } from './commit-metadata.ts'
import { decidePending, type PendingDecision, type PendingFacts } from './decide-pending.ts'
import type { Instant } from './instant.ts'
import { isSameOwner, type Owner } from './owner.ts'
import { isRolledBack } from './rollback.ts'
import { readInstant, type Timeline } from './timeline.ts'

/** A commit as a checkpoint carries it: all that is needed to complete the instant from another process. */
export interface PreparedCommit {
  readonly instant: Instant
  readonly owner: Owner
  readonly avroSchema: string
  readonly stats: readonly WriteStat[]
}

/** Gathers the facts about a prepared commit and decides. Changes nothing. */
export async function judge(store: FileStore, timeline: Timeline, prepared: PreparedCommit): Promise<PendingDecision> {
  return decidePending(await gatherFacts(store, timeline, prepared))
}

async function gatherFacts(store: FileStore, timeline: Timeline, prepared: PreparedCommit): Promise<PendingFacts> {
  const { instant } = prepared
  const found = timeline.find(instant)
  const state = found === undefined ? 'absent' : found.state === 'completed' ? 'completed' : 'pending'
  const metadata = found === undefined ? undefined : await readMetadata(store, instant, found.state)
  const completed = state === 'completed'
  return {
    timeline: state,
    owner: ownerFact(prepared.owner, metadata),
    stats: metadata?.statsHash === hashStats(prepared.stats) ? 'same' : 'different',
    // A completed instant speaks for itself; its files may have been clustered and cleaned since.
    files: completed || (await allPresent(store, prepared.stats)) ? 'present' : 'missing',
    rolledBack: !completed && (await isRolledBack(store, timeline, instant)),
    archivable: timeline.firstWrite !== undefined && instant < timeline.firstWrite,
    archived: false,
  }
}

/** Metadata of the furthest state that says anything: the requested file names the owner too. */
export async function readMetadata(
  store: FileStore,
  time: Instant,
  state: 'requested' | 'inflight' | 'completed',
): Promise<CommitMetadata | undefined> {
  const order = state === 'completed' ? (['completed'] as const) : (['inflight', 'requested'] as const)
  for (const each of order) {
    const bytes = await readInstant(store, { time, action: 'commit' }, each)
    const metadata = bytes === undefined ? undefined : decodeCommit(bytes, `${time} (${each})`)
    if (metadata !== undefined && (metadata.owner !== undefined || each === 'completed')) return metadata
  }
  return undefined
}

function ownerFact(ours: Owner, metadata: CommitMetadata | undefined): PendingFacts['owner'] {
  if (metadata?.owner === undefined) return 'unknown'
  return isSameOwner(ours, metadata.owner) ? 'ours' : 'other'
}

async function allPresent(store: FileStore, stats: readonly WriteStat[]): Promise<boolean> {
  const sizes = await Promise.all(stats.map(({ path }) => store.size(path)))
  return stats.every(({ bytes }, at) => sizes[at] === bytes)
}
