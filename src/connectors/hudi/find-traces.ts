import type { CheckpointId, RunEpoch } from '../../core/checkpoint-types.ts'
import type { FileStore } from '../../core/file-store.ts'
import { decodeCommit } from './commit-metadata.ts'
import { isSameSink, type Owner } from './owner.ts'
import { readInstant, type Timeline, type TimelineInstant } from './timeline.ts'

/** Instants that are read together, newest first: a table of ours says so with its first ones. */
const READ_AT_ONCE = 16

export interface TraceScope {
  readonly sink: Pick<Owner, 'job' | 'sink'>
  /** What is pending below this epoch was left by a start that published nothing. */
  readonly own: RunEpoch
  /** Committed work up to this checkpoint is known. */
  readonly known: CheckpointId
}

/**
 * Write instants of this sink that the log does not know, newest first; stops at the first ones. Where something is
 * known, only the newest instants are looked at: what a later life committed stands behind it.
 */
export async function findTraces(
  store: FileStore,
  timeline: Timeline,
  { sink, own, known }: TraceScope,
): Promise<readonly string[]> {
  const writes = [...timeline.completedWrites, ...timeline.pendingWrites].reverse()
  const searched = known === 0 ? writes.length : Math.min(writes.length, READ_AT_ONCE)
  for (let at = 0; at < searched; at += READ_AT_ONCE) {
    const traces = await Promise.all(
      writes.slice(at, at + READ_AT_ONCE).map(async (instant) => {
        const owner = await ownerOf(store, instant)
        const isTrace = isSameSink(sink, owner) && isUnknown(instant, owner, { own, known })
        return isTrace ? [instant.time] : []
      }),
    )
    if (traces.flat().length > 0) return traces.flat()
  }
  return []
}

function isUnknown(
  { state }: TimelineInstant,
  owner: Owner | undefined,
  { own, known }: Pick<TraceScope, 'own' | 'known'>,
): boolean {
  return state === 'completed' ? (owner?.checkpoint ?? 0) > known : (owner?.epoch ?? 0) >= own
}

async function ownerOf(store: FileStore, { time, action, state, files }: TimelineInstant): Promise<Owner | undefined> {
  // Only requests of commits are JSON, like all that follows them.
  const told = state === 'completed' ? [state] : files.filter((each) => each === 'inflight' || action === 'commit')
  for (const each of told) {
    const bytes = await readInstant(store, { time, action }, each)
    const owner = bytes === undefined ? undefined : decodeCommit(bytes, `${time} (${each})`).owner
    if (owner !== undefined) return owner
  }
  return undefined
}
