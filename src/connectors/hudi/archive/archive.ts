import { failpoint } from '../../../core/failpoints.ts'
import type { FileStore } from '../../../core/file-store.ts'
import { readMetadata } from '../read-metadata.ts'
import { parseDataFileName } from '../file-name.ts'
import type { Instant } from '../instant.ts'
import { splitPath } from '../partition.ts'
import { removeFile } from '../remove-file.ts'
import { loadTimeline, type Timeline, type TimelineInstant } from '../timeline.ts'
import { timelinePath, type InstantState } from '../timeline-file.ts'
import { encodeLog } from './archive-log.ts'
import { ARCHIVED_ENTRY, archivedEntries } from './archived-entry.ts'
import { chooseArchive, isArchiveDue } from './choose-archive.ts'
import { archivedTimes, archiveFiles, archiveFolder } from './read-archive.ts'

/**
 * Moves the oldest instants of a long timeline into an archive, in the format of version 6. May be repeated after a crash
 * at any point:
 *
 *   archive file → requested and inflight files → completed files, oldest first
 *
 * Returns how many instants left the timeline.
 */
export async function archiveTimeline(store: FileStore, timelineCommits: number): Promise<number> {
  failpoint('gc.select', 'before')
  const before = await loadTimeline(store)
  const left = await instantsInNewestArchive(store, before)
  await removeInstants(store, left)
  if (!isArchiveDue(before.completedWrites.length, timelineCommits)) return left.length
  const timeline = left.length === 0 ? before : await loadTimeline(store)
  const { files, orphans } = await lookAtFiles(store, timeline)
  const uncleaned = await uncleanedReplaces(store, timeline, files)
  const chosen = chooseArchive({ instants: timeline.instants, timelineCommits, uncleaned, orphans })
  failpoint('gc.select', 'after')
  if (chosen.length === 0) return left.length
  const entries: unknown[] = []
  for (const instant of chosen) entries.push(...(await archivedEntries(store, instant)))
  const number = ((await archiveFiles(store))[0]?.number ?? 0) + 1
  const path = `${await archiveFolder(store)}.commits_.archive.${number}_1-0-1`
  // Somebody else is archiving: one is enough.
  if ((await store.create(path, encodeLog(ARCHIVED_ENTRY, entries))) === 'exists') return left.length
  await removeInstants(store, chosen)
  return left.length + chosen.length
}

/** A process may have died after it wrote the archive. */
async function instantsInNewestArchive(store: FileStore, timeline: Timeline): Promise<readonly TimelineInstant[]> {
  const [newest] = await archiveFiles(store)
  if (newest === undefined) return []
  const archived = await archivedTimes(store, newest)
  return timeline.instants.filter(({ time, action }) => archived.has(`${time}.${action}`))
}

/** The completed file goes last: as long as it is there, the instant counts. */
async function removeInstants(store: FileStore, instants: readonly TimelineInstant[]): Promise<void> {
  const remove = async (instant: TimelineInstant, state: InstantState): Promise<void> => {
    if (!instant.files.includes(state)) return
    failpoint('gc.delete', 'before')
    await removeFile(store, timelinePath({ time: instant.time, action: instant.action, state }))
    failpoint('gc.delete', 'after')
  }
  for (const instant of instants) {
    await remove(instant, 'requested')
    await remove(instant, 'inflight')
  }
  for (const instant of instants) await remove(instant, 'completed')
}

/**
 * File groups by partition, and instants of files that no instant on the timeline owns. Nobody removes these: whether
 * they are litter or were archived out of order is not ours to guess.
 */
async function lookAtFiles(
  store: FileStore,
  timeline: Timeline,
): Promise<{ readonly files: ReadonlySet<string>; readonly orphans: readonly Instant[] }> {
  const known = new Set(timeline.instants.map(({ time }) => time))
  const files = new Set<string>()
  const orphans: Instant[] = []
  for await (const { path } of store.list('')) {
    const { partition, name } = splitPath(path)
    const file = path.startsWith('.') ? undefined : parseDataFileName(name)
    if (file === undefined) continue
    files.add(`${partition}/${file.fileId}`)
    const isOrphan = timeline.firstWrite !== undefined && file.instant > timeline.firstWrite && !known.has(file.instant)
    if (isOrphan) orphans.push(file.instant)
  }
  return { files, orphans }
}

async function uncleanedReplaces(
  store: FileStore,
  timeline: Timeline,
  files: ReadonlySet<string>,
): Promise<ReadonlySet<Instant>> {
  const uncleaned = new Set<Instant>()
  for (const instant of timeline.completedWrites) {
    if (instant.action !== 'replacecommit') continue
    const { replaced = {} } = (await readMetadata(store, instant)) ?? {}
    const ids = Object.entries(replaced).flatMap(([partition, all]) => all.map((id) => `${partition}/${id}`))
    if (ids.some((id) => files.has(id))) uncleaned.add(instant.time)
  }
  return uncleaned
}
