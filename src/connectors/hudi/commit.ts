import { assert } from '../../core/assert.ts'
import { wrapError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { encodeCommit, encodePending } from './commit-metadata.ts'
import { removeStrays } from './data-files.ts'
import { judge } from './evidence.ts'
import { type PreparedCommit, actionOf } from './prepared-commit.ts'
import { readMetadata } from './read-metadata.ts'
import type { Instant } from './instant.ts'
import { removeMarkers } from './markers.ts'
import { isSameOwner, isSameSink, type Owner } from './owner.ts'
import { refuseChangedTable } from './table.ts'
import { loadTimeline, type Timeline } from './timeline.ts'
import { timelinePath } from './timeline-file.ts'

export type CommitResult =
  | { readonly result: 'committed' | 'already-committed' }
  /** Older pending instants of this sink must be completed or rolled back first: instants complete in order. */
  | { readonly result: 'blocked'; readonly older: readonly { readonly instant: Instant; readonly owner: Owner }[] }
  | { readonly result: 'lost' | 'halt'; readonly reason: string }

/**
 * Puts an instant on the timeline before its first file is written. Every lane that has rows calls it with the same
 * arguments; the first one makes it. `taken`: another writer has an instant of this time, take a later one.
 */
export async function requestInstant(store: FileStore, instant: Instant, owner: Owner): Promise<'ours' | 'taken'> {
  const pending = encodePending(owner)
  for (const state of ['requested', 'inflight'] as const) {
    const created = await store.create(timelinePath({ time: instant, action: 'commit', state }), pending)
    if (created === 'created') continue
    const there = await readMetadata(store, { time: instant, action: 'commit', state })
    if (!isSameOwner(owner, there?.owner)) return 'taken'
  }
  return 'ours'
}

/**
 * Makes the files of a published checkpoint visible, once, however often it is called:
 *
 *   table still ours to write? → what became of it? → nothing older open → strays away → <t>.commit
 *
 * Creating `<t>.commit` is the commit: its name depends on nothing but the instant, so of two who try only one can
 * succeed, and both want the same content, for a published checkpoint lists it. Throws SCHEMA when another writer
 * changed the table so that readers would not see the commit.
 */
export async function commitInstant(
  store: FileStore,
  prepared: PreparedCommit,
  timeline?: Timeline,
): Promise<CommitResult> {
  const { instant, owner, stats } = prepared
  assert(stats.length > 0, `instant ${instant} has files: an empty commit makes some readers see an empty table`)
  await refuseChangedTable(store)
  const action = actionOf(prepared)
  const before = timeline?.find(instant, action) === undefined ? await loadTimeline(store) : timeline
  const decision = await judge(store, before, prepared)
  if (decision.act === 'lost' || decision.act === 'halt') return { result: decision.act, reason: decision.reason }
  if (decision.act === 'done') {
    await removeMarkers(store, instant)
    return { result: 'already-committed' }
  }
  const older = await olderPending(store, before, prepared)
  if (older.length > 0) return { result: 'blocked', older }
  const isWhole = before.find(instant, action)?.files.length === 2
  if (!isWhole && prepared.merge === undefined && (await requestInstant(store, instant, owner)) === 'taken') {
    return { result: 'halt', reason: 'somebody else requested an instant of the same time' }
  }
  await removeStrays(store, instant, new Set(stats.map(({ path }) => path)))
  const replaced = prepared.merge === undefined ? {} : { replaced: prepared.merge.inputs }
  const created = await createCommit(store, prepared, encodeCommit({ ...prepared, ...replaced }))
  if (created.result === 'committed' || created.result === 'already-committed') await removeMarkers(store, instant)
  return created
}

async function createCommit(store: FileStore, prepared: PreparedCommit, bytes: Uint8Array): Promise<CommitResult> {
  const path = timelinePath({ time: prepared.instant, action: actionOf(prepared), state: 'completed' })
  let failure: unknown
  try {
    if ((await store.create(path, bytes)) === 'created') return { result: 'committed' }
  } catch (thrown) {
    failure = thrown
  }
  // Somebody's file is there, or the answer was lost: the file itself says whose it is.
  const decision = await judge(store, await loadTimeline(store), prepared)
  if (decision.act === 'done') return { result: 'already-committed' }
  if (decision.act === 'commit' && failure !== undefined)
    throw wrapError(failure, `committing instant ${prepared.instant}`)
  if (decision.act === 'commit') return { result: 'halt', reason: 'its commit file was there and is gone again' }
  return { result: decision.act, reason: decision.reason }
}

async function olderPending(
  store: FileStore,
  timeline: Timeline,
  { instant, owner: ours }: PreparedCommit,
): Promise<readonly { readonly instant: Instant; readonly owner: Owner }[]> {
  const older: { instant: Instant; owner: Owner }[] = []
  for (const { time, action, state } of timeline.pendingWrites) {
    // A merge may be under way for longer: no row depends on when it completes.
    if (time >= instant || action !== 'commit') continue
    const owner = (await readMetadata(store, { time, action, state }))?.owner
    if (owner !== undefined && isSameSink(ours, owner)) older.push({ instant: time, owner })
  }
  return older
}
