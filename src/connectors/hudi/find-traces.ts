import type { RunEpoch } from '../../core/checkpoint-types.ts'
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
}

/** Write instants of this sink that an earlier life of its pipeline put on the timeline; stops at the first ones. */
export async function findTraces(
  store: FileStore,
  timeline: Timeline,
  { sink, own }: TraceScope,
): Promise<readonly string[]> {
  const writes = [...timeline.completedWrites, ...timeline.pendingWrites].reverse()
  for (let at = 0; at < writes.length; at += READ_AT_ONCE) {
    const traces = await Promise.all(
      writes.slice(at, at + READ_AT_ONCE).map(async (instant) => {
        const owner = await ownerOf(store, instant)
        const isTrace = isSameSink(sink, owner) && (instant.state === 'completed' || (owner?.epoch ?? 0) >= own)
        return isTrace ? [instant.time] : []
      }),
    )
    if (traces.flat().length > 0) return traces.flat()
  }
  return []
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
