import { failpoint } from '../../../core/failpoints.ts'
import type { FileStore } from '../../../core/file-store.ts'
import { readMetadata } from '../read-metadata.ts'
import { isOurFileId, parseDataFileName } from '../file-name.ts'
import type { Instant } from '../instant.ts'
import { splitPath } from '../partition.ts'
import { removeFile } from '../remove-file.ts'
import { isRolledBack } from '../rollback.ts'
import { loadTimeline, type Timeline, type TimelineInstant } from '../timeline.ts'
import { timelinePath, type InstantState } from '../timeline-file.ts'
import { encodeLog } from './archive-log.ts'
import { ARCHIVED_ENTRY, archivedEntries } from './archived-entry.ts'
import { chooseArchive, isArchiveDue } from './choose-archive.ts'
import { archivedTimes, archiveFiles, archiveFolder } from './read-archive.ts'

export interface Archived {
  readonly archived: number
  readonly orphan: string | undefined
}

interface Orphan {
  readonly path: string
  readonly instant: Instant
}

/**
 * Moves the oldest instants of a long timeline into an archive, in the format of version 6. May be repeated after a crash
 * at any point:
 *
 *   archive file → requested and inflight files → completed files, oldest first
 *
 * Archived instants are those that left the timeline; `orphan` is a file that keeps others there.
 */
export async function archiveTimeline(store: FileStore, timelineCommits: number): Promise<Archived> {
  failpoint('gc.select', 'before')
  const before = await loadTimeline(store)
  const left = await instantsInNewestArchive(store, before)
  await removeInstants(store, left)
  if (!isArchiveDue(before.completedWrites.length, timelineCommits)) return { archived: left.length, orphan: undefined }
  const timeline = left.length === 0 ? before : await loadTimeline(store)
  const { files, orphans } = await lookAtFiles(store, timeline)
  const [orphan] = orphans
  const uncleaned = await uncleanedReplaces(store, timeline, files)
  const foreign = orphans.map(({ instant }) => instant)
  const chosen = chooseArchive({ instants: timeline.instants, timelineCommits, uncleaned, orphans: foreign })
  failpoint('gc.select', 'after')
  if (chosen.length === 0) return { archived: left.length, orphan: orphan?.path }
  const entries: unknown[] = []
  for (const instant of chosen) entries.push(...(await archivedEntries(store, instant)))
  const number = ((await archiveFiles(store))[0]?.number ?? 0) + 1
  const path = `${await archiveFolder(store)}.commits_.archive.${number}_1-0-1`
  // Somebody else is archiving: one is enough.
  if ((await store.create(path, encodeLog(ARCHIVED_ENTRY, entries))) === 'exists') {
    return { archived: left.length, orphan: undefined }
  }
  await removeInstants(store, chosen)
  return { archived: left.length + chosen.length, orphan: orphan?.path }
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
 * File groups by partition, and instants of files that no instant on the timeline owns. Ours
 * are removed when a rollback names their instant; whether others are litter or were archived out of order is not ours to
 * guess.
 */
async function lookAtFiles(
  store: FileStore,
  timeline: Timeline,
): Promise<{ readonly files: ReadonlySet<string>; readonly orphans: readonly Orphan[] }> {
  const known = new Set(timeline.instants.map(({ time }) => time))
  const files = new Set<string>()
  const orphans: Orphan[] = []
  for await (const { path } of store.list('')) {
    const { partition, name } = splitPath(path)
    const file = path.startsWith('.') ? undefined : parseDataFileName(name)
    if (file === undefined) continue
    files.add(`${partition}/${file.fileId}`)
    const isOrphan = timeline.firstWrite !== undefined && file.instant > timeline.firstWrite && !known.has(file.instant)
    if (!isOrphan) continue
    // A writer that slept through its rollback and then ended its upload.
    const isLate = isOurFileId(file.fileId) && (await isRolledBack(store, timeline, file.instant))
    if (isLate) await removeFile(store, path)
    else orphans.push({ path, instant: file.instant })
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
