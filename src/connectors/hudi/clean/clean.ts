import { failpoint } from '../../../core/failpoints.ts'
import type { FileStore } from '../../../core/file-store.ts'
import { readMetadata } from '../read-metadata.ts'
import type { Instant } from '../instant.ts'
import { isSameSink, type Owner } from '../owner.ts'
import { removeFile } from '../remove-file.ts'
import { loadTimeline, readInstant, type Timeline } from '../timeline.ts'
import { timelinePath } from '../timeline-file.ts'
import type { ChosenClean, ReplacedFiles } from './choose-clean.ts'
import { type CleanPlan, decodeCleanPlan, encodeClean, encodeCleanPlan } from './clean-records.ts'

export interface Clean {
  readonly time: Instant
  readonly owner: Owner
  readonly chosen: ChosenClean
  /** The newest completed commit. */
  readonly last: Instant
}

/**
 * Deletes what no reader needs any more. May be repeated after a crash at any point, by `finishCleans`:
 *
 *   plan (requested, inflight) → files → completed
 *
 * A process that was paused here and wakes up beside its successor deletes only what its plan names: files that a
 * completed merge replaced long ago, which nobody brings back. `taken`: another writer has an instant of this time.
 */
export async function clean(store: FileStore, { time, owner, chosen, last }: Clean): Promise<'done' | 'taken'> {
  const { earliest, replaced } = chosen
  const plan = { earliest, last, paths: replaced.flatMap(({ paths }) => paths) }
  const path = timelinePath({ time, action: 'clean', state: 'requested' })
  if ((await store.create(path, encodeCleanPlan(store.root, plan, owner))) === 'exists') return 'taken'
  await carryOut(store, time, plan, owner)
  return 'done'
}

/** Finishes cleans of this sink that a crash interrupted. Those of other writers are theirs. */
export async function finishCleans(store: FileStore, sink: Pick<Owner, 'job' | 'sink'>): Promise<void> {
  for (const { time, action, state } of (await loadTimeline(store)).instants) {
    if (action !== 'clean' || state === 'completed') continue
    const bytes = await readInstant(store, { time, action }, 'requested')
    const plan = bytes === undefined ? undefined : decodeCleanPlan(store.root, bytes, `${time} (clean)`)
    if (plan !== undefined && isSameSink(sink, plan.owner)) await carryOut(store, time, plan, plan.owner)
  }
}

async function carryOut(store: FileStore, time: Instant, plan: CleanPlan, owner: Owner): Promise<void> {
  // Java archives only cleans whose inflight file has the plan too.
  const inflight = timelinePath({ time, action: 'clean', state: 'inflight' })
  await store.create(inflight, encodeCleanPlan(store.root, plan, owner))
  for (const path of plan.paths) {
    failpoint('gc.delete', 'before')
    await removeFile(store, path)
    failpoint('gc.delete', 'after')
  }
  await store.create(timelinePath({ time, action: 'clean', state: 'completed' }), encodeClean(plan, time, owner))
}

/** What merges of this sink replaced and no clean has removed yet, oldest first. */
export async function findReplaced(
  store: FileStore,
  timeline: Timeline,
  sink: Pick<Owner, 'job' | 'sink'>,
): Promise<readonly ReplacedFiles[]> {
  const found: ReplacedFiles[] = []
  for (const instant of timeline.completedWrites) {
    if (instant.action !== 'replacecommit') continue
    const { owner, replacedPaths = [] } = (await readMetadata(store, instant)) ?? {}
    if (!isSameSink(sink, owner)) continue
    const sizes = await Promise.all(replacedPaths.map((path) => store.size(path)))
    const paths = replacedPaths.filter((_, at) => sizes[at] !== undefined)
    if (paths.length > 0) found.push({ instant: instant.time, paths })
  }
  return found
}
