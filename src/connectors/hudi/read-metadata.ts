import type { FileStore } from '../../core/file-store.ts'
import { type CommitMetadata, decodeCommit } from './commit-metadata.ts'
import { readInstant, type TimelineInstant } from './timeline.ts'

/** Metadata of the furthest state that says anything: the requested file names the owner too. */
export async function readMetadata(
  store: FileStore,
  { time, action, state }: Pick<TimelineInstant, 'time' | 'action' | 'state'>,
): Promise<CommitMetadata | undefined> {
  const pending = action === 'commit' ? (['inflight', 'requested'] as const) : (['inflight'] as const)
  for (const each of state === 'completed' ? (['completed'] as const) : pending) {
    const bytes = await readInstant(store, { time, action }, each)
    const metadata = bytes === undefined ? undefined : decodeCommit(bytes, `${time} (${each})`)
    if (metadata !== undefined && (metadata.owner !== undefined || each === 'completed')) return metadata
  }
  return undefined
}
