import type { FileStore } from '../../core/file-store.ts'
import { readArchived } from './archive/read-archive.ts'
import { type CommitMetadata, hashStats, STATS_HASH, type WriteStat } from './commit-metadata.ts'
import { decidePending, type PendingDecision, type PendingFacts } from './decide-pending.ts'
import { areInputsRewritten } from './merge/inputs-rewritten.ts'
import { isSameOwner, ownerFromExtra, type Owner } from './owner.ts'
import { actionOf, type PreparedCommit } from './prepared-commit.ts'
import { readMetadata } from './read-metadata.ts'
import { isRolledBack } from './rollback.ts'
import type { Timeline } from './timeline.ts'

/** Gathers the facts about a prepared commit and decides. Changes nothing. */
export async function judge(store: FileStore, timeline: Timeline, prepared: PreparedCommit): Promise<PendingDecision> {
  return decidePending(await gatherFacts(store, timeline, prepared))
}

async function gatherFacts(store: FileStore, timeline: Timeline, prepared: PreparedCommit): Promise<PendingFacts> {
  const { instant } = prepared
  const action = actionOf(prepared)
  const found = timeline.find(instant, action)
  const state = found === undefined ? 'absent' : found.state === 'completed' ? 'completed' : 'pending'
  const metadata = found === undefined ? undefined : await readMetadata(store, found)
  const completed = state === 'completed'
  const archivable = timeline.firstWrite !== undefined && instant < timeline.firstWrite
  return {
    timeline: state,
    owner: ownerFact(prepared.owner, metadata),
    stats: metadata?.statsHash === hashStats(prepared.stats) ? 'same' : 'different',
    // A completed instant speaks for itself; its files may have been clustered and cleaned since.
    files: completed || (await allPresent(store, prepared.stats)) ? 'present' : 'missing',
    rolledBack: !completed && (await isRolledBack(store, timeline, instant)),
    archivable,
    archived: found === undefined && archivable && (await isArchived(store, prepared)),
    inputs: state === 'pending' && (await areInputsRewritten(store, timeline, prepared)) ? 'rewritten' : 'as chosen',
  }
}

/** Whether an archive has the completed instant, of this owner and with these files. */
async function isArchived(store: FileStore, prepared: PreparedCommit): Promise<boolean> {
  const extra = await readArchived(store, prepared.instant)
  if (extra === undefined || !isSameOwner(prepared.owner, ownerFromExtra(extra))) return false
  return extra[STATS_HASH] === hashStats(prepared.stats)
}

function ownerFact(ours: Owner, metadata: CommitMetadata | undefined): PendingFacts['owner'] {
  if (metadata?.owner === undefined) return 'unknown'
  return isSameOwner(ours, metadata.owner) ? 'ours' : 'other'
}

async function allPresent(store: FileStore, stats: readonly WriteStat[]): Promise<boolean> {
  const sizes = await Promise.all(stats.map(({ path }) => store.size(path)))
  return stats.every(({ bytes }, at) => sizes[at] === bytes)
}
