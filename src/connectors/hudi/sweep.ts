import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import { decodeContainer } from './avro-container.ts'
import { decideStray, type StrayScope } from './decide-stray.ts'
import { readMetadata } from './read-metadata.ts'
import type { Instant } from './instant.ts'
import { markedInstants, removeMarkers } from './markers.ts'
import { isSameSink, ownerFromExtra, type Owner } from './owner.ts'
import { finishRollbacks, rollback } from './rollback.ts'
import { loadTimeline, readInstant, type TimelineInstant } from './timeline.ts'

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
    timeline.pendingWrites.map(async (pending) => {
      const { time, action } = pending
      const owner = await ownerOfPending(store, pending)
      return { time, action, decision: decideStray({ owner, wanted: request.keep.has(time) }, request) }
    }),
  )
  for (const { time, decision } of strays) {
    if (decision.act === 'refuse') throw foreign(store, time, decision.reason)
  }
  const finished = await finishRollbacks(store, request.sink)
  const taken = new Set<Instant>(finished)
  for (const { time, action, decision } of strays) {
    if (decision.act !== 'rollback' || taken.has(time)) continue
    assert(action === 'commit' || action === 'replacecommit', 'what is ours is a commit or a merge')
    const after = request.after === undefined ? {} : { after: request.after }
    await rollback(store, { instant: time, action, owner: decision.owner, nowMs: request.nowMs, ...after })
    taken.add(time)
  }
  await removeOldMarkers(store, request)
  return [...taken]
}

/** Whose a pending instant is; of a merge that was only requested, its plan says it. */
async function ownerOfPending(store: FileStore, pending: TimelineInstant): Promise<Owner | undefined> {
  if (pending.action !== 'commit' && pending.action !== 'replacecommit') return undefined
  const { owner } = (await readMetadata(store, pending)) ?? {}
  if (owner !== undefined || pending.action === 'commit') return owner
  const plan = await readInstant(store, pending, 'requested')
  if (plan === undefined || plan.byteLength === 0) return undefined
  return ownerFromExtra(decodeContainer(plan, `${pending.time} (requested)`).note)
}

/** A process may have died between its commit and the removal of its markers. */
async function removeOldMarkers(store: FileStore, { sink }: SweepRequest): Promise<void> {
  const timeline = await loadTimeline(store)
  for (const time of await markedInstants(store)) {
    const completed = timeline.completedWrites.find((instant) => instant.time === time)
    if (completed === undefined) continue
    if (isSameSink(sink, (await readMetadata(store, completed))?.owner)) await removeMarkers(store, time)
  }
}

function foreign(store: FileStore, time: Instant, reason: string): MillraceError {
  return new MillraceError(
    `the Hudi table ${store.root} has an instant ${time} that is not finished: ${reason}. Let its writer finish it, ` +
      'or roll it back with the Hudi CLI (`commit rollback`), then start again',
    { code: 'PREFLIGHT', detail: { instant: time } },
  )
}
