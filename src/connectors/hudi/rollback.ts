import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { dropUnfinished, filesOfInstant } from './data-files.ts'
import type { Instant } from './instant.ts'
import { removeMarkers } from './markers.ts'
import { isSameSink, type Owner } from './owner.ts'
import { removeFile } from './remove-file.ts'
import { decodePlan, encodePlan, encodeRollback } from './rollback-records.ts'
import { loadTimeline, readInstant, type Timeline, type TimelineInstant } from './timeline.ts'
import { timelinePath, type WriteAction } from './timeline-file.ts'

export interface Rollback {
  /** The newest instant that was promised to somebody but may not be on the timeline yet. */
  readonly after?: Instant
  /** The pending instant to be taken back; ours. */
  readonly instant: Instant
  /** Default `commit`. */
  readonly action?: WriteAction
  readonly owner: Owner
  /** Only for the next free instant of the table. */
  readonly nowMs: number
}

/**
 * Takes a pending instant of ours back. May be repeated after a crash at any point, by itself or by `finishRollbacks`:
 *
 *   plan (requested, inflight) → data files → <t>.inflight → <t>.<action>.requested → markers → completed
 *
 * The instant's own files go after the data: while data is there, its owner must be on the timeline. Markers go when a
 * listing showed that all data is gone, for they are how it is found; and before the rollback completes, for then nobody
 * looks for them any more.
 */
export async function rollback(store: FileStore, request: Rollback): Promise<readonly string[]> {
  const { instant, owner, action = 'commit' } = request
  const timeline = await loadTimeline(store)
  assert(timeline.find(instant, action)?.state !== 'completed', `only pending instants are rolled back, not ${instant}`)
  for (const pending of timeline.pendingRollbacks) {
    const plan = await planOf(store, pending)
    if (plan.instant === instant) return await carryOut(store, pending.time, { instant, action, owner }, plan.files)
  }
  const files = await filesOfInstant(store, instant)
  return await carryOut(store, await begin(store, timeline, request, files), { instant, action, owner }, files)
}

/** Finishes rollbacks of this sink that a crash interrupted. Those of other writers are theirs. */
export async function finishRollbacks(
  store: FileStore,
  sink: Pick<Owner, 'job' | 'sink'>,
): Promise<readonly Instant[]> {
  const timeline = await loadTimeline(store)
  const finished: Instant[] = []
  for (const pending of timeline.pendingRollbacks) {
    const { instant, action, owner, files } = await planOf(store, pending)
    if (instant === undefined || owner === undefined || !isSameSink(sink, owner)) continue
    assert(
      timeline.find(instant, action)?.state !== 'completed',
      `only pending instants are rolled back, not ${instant}`,
    )
    await carryOut(store, pending.time, { instant, action, owner }, files)
    finished.push(instant)
  }
  return finished
}

/** Whether a rollback, ours or another writer's, names the instant. Only rollbacks after it are looked at. */
export async function isRolledBack(store: FileStore, timeline: Timeline, instant: Instant): Promise<boolean> {
  for (const candidate of timeline.instants) {
    if (candidate.action !== 'rollback' || candidate.time <= instant) continue
    if ((await planOf(store, candidate)).instant === instant) return true
  }
  return false
}

async function begin(
  store: FileStore,
  timeline: Timeline,
  { instant, action = 'commit', owner, nowMs, after }: Rollback,
  files: readonly string[],
): Promise<Instant> {
  const plan = encodePlan(store.root, { instant, action, files }, owner)
  // Somebody else may take the same millisecond; then the next one is ours.
  for (let time = timeline.next(nowMs, after), tries = 0; tries < 100; tries++, time = timeline.next(nowMs, time)) {
    const created = await store.create(timelinePath({ time, action: 'rollback', state: 'requested' }), plan)
    if (created === 'created') return time
  }
  throw new MillraceError(`rolling back ${instant}: a hundred instants in a row are taken by somebody else`, {
    code: 'PREFLIGHT',
  })
}

async function carryOut(
  store: FileStore,
  time: Instant,
  { instant, action, owner }: { readonly instant: Instant; readonly action: WriteAction; readonly owner: Owner },
  planned: readonly string[],
): Promise<readonly string[]> {
  await store.create(timelinePath({ time, action: 'rollback', state: 'inflight' }), new Uint8Array(0))
  const deleted = await deleteAll(store, instant, planned)
  for (const state of ['inflight', 'requested'] as const) {
    await removeFile(store, timelinePath({ time: instant, action, state }))
  }
  const done = { rollback: time, instant, action, files: deleted }
  await removeMarkers(store, instant)
  const completed = timelinePath({ time, action: 'rollback', state: 'completed' })
  await store.create(completed, encodeRollback(store.root, done, owner))
  return deleted
}

/** Deletes until a fresh listing is empty: an upload that was under way may have finished meanwhile. */
async function deleteAll(store: FileStore, instant: Instant, planned: readonly string[]): Promise<readonly string[]> {
  await dropUnfinished(store, instant)
  const deleted = new Set<string>(planned)
  let files = await filesOfInstant(store, instant)
  for (let round = 0; files.length > 0; round++) {
    if (round === 10) {
      const message = `rolling back ${instant}: its files come back after they were deleted; a writer is still alive`
      throw new MillraceError(message, { code: 'FENCED' })
    }
    for (const path of files) await removeFile(store, path)
    files = await filesOfInstant(store, instant)
    for (const path of files) deleted.add(path)
  }
  return [...deleted].toSorted()
}

async function planOf(store: FileStore, instant: TimelineInstant): Promise<ReturnType<typeof decodePlan>> {
  const bytes = await readInstant(store, instant, 'requested')
  if (bytes === undefined || bytes.byteLength === 0)
    return { instant: undefined, action: 'commit', owner: undefined, files: [] }
  return decodePlan(store.root, bytes, timelinePath({ ...instant, state: 'requested' }))
}
