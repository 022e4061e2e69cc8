import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { decideStray, type StrayScope } from './decide-stray.ts'
import { readMetadata } from './evidence.ts'
import type { Instant } from './instant.ts'
import { markedInstants, removeMarkers } from './markers.ts'
import { isSameSink } from './owner.ts'
import { finishRollbacks, rollback } from './rollback.ts'
import { loadTimeline } from './timeline.ts'

export interface SweepRequest extends StrayScope {
  /** Instants of published checkpoints. */
  readonly keep: ReadonlySet<Instant>
  readonly nowMs: number
  /** The newest instant that was promised to somebody but may not be on the timeline yet. */
  readonly after?: Instant
}

/**
 * Cleans up behind runs that died: finishes their rollbacks, takes back what no checkpoint wants. Oldest first. Throws
 * PREFLIGHT, before anything is touched, when somebody else's pending instant stands in the way.
 */
export async function sweepTable(store: FileStore, request: SweepRequest): Promise<readonly Instant[]> {
  const timeline = await loadTimeline(store)
  const strays = await Promise.all(
    timeline.pendingWrites.map(async ({ time, action, state }) => {
      const metadata = action === 'commit' ? await readMetadata(store, time, state) : undefined
      return { time, decision: decideStray({ owner: metadata?.owner, wanted: request.keep.has(time) }, request) }
    }),
  )
  for (const { time, decision } of strays) {
    if (decision.act === 'refuse') throw foreign(store, time, decision.reason)
  }
  const finished = await finishRollbacks(store, request.sink)
  const taken = new Set<Instant>(finished)
  for (const { time, decision } of strays) {
    if (decision.act !== 'rollback' || taken.has(time)) continue
    const after = request.after === undefined ? {} : { after: request.after }
    await rollback(store, { instant: time, owner: decision.owner, nowMs: request.nowMs, ...after })
    taken.add(time)
  }
  await removeOldMarkers(store, request)
  return [...taken]
}

/** A process may have died between its commit and the removal of its markers. */
async function removeOldMarkers(store: FileStore, { sink }: SweepRequest): Promise<void> {
  const timeline = await loadTimeline(store)
  for (const time of await markedInstants(store)) {
    if (timeline.find(time)?.state !== 'completed') continue
    if (isSameSink(sink, (await readMetadata(store, time, 'completed'))?.owner)) await removeMarkers(store, time)
  }
}

function foreign(store: FileStore, time: Instant, reason: string): MillraceError {
  return new MillraceError(
    `the Hudi table ${store.root} has an instant ${time} that is not finished: ${reason}. Let its writer finish it, ` +
      'or roll it back with the Hudi CLI (`commit rollback`), then start again',
    { code: 'PREFLIGHT', detail: { instant: time } },
  )
}
