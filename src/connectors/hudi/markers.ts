import type { FileStore } from '../../core/file-store.ts'
import type { Instant } from './instant.ts'

const MARKERS = '.hoodie/.temp/'

/**
 * A marker is an empty file that is made before the data file it names. Rollbacks, ours and those of other Hudi
 * writers, find the files of a dead instant by its markers.
 */
export async function createMarker(store: FileStore, instant: Instant, dataPath: string): Promise<void> {
  await store.create(`${markerFolder(instant)}${dataPath}.marker.CREATE`, new Uint8Array(0))
}

/** The data files that the instant may have written, finished or not. */
export async function markedFiles(store: FileStore, instant: Instant): Promise<readonly string[]> {
  const folder = markerFolder(instant)
  const paths: string[] = []
  for await (const { path } of store.list(folder)) {
    const marked = /^(.+)\.marker\.(?:CREATE|MERGE|APPEND)$/.exec(path.slice(folder.length))?.[1]
    if (marked !== undefined) paths.push(marked)
  }
  return paths
}

/** All instants, of anybody, that have markers. */
export async function markedInstants(store: FileStore): Promise<ReadonlySet<Instant>> {
  const instants = new Set<Instant>()
  for await (const { path } of store.list(MARKERS)) {
    const instant = /^(\d+)\//.exec(path.slice(MARKERS.length))?.[1]
    if (instant !== undefined) instants.add(instant)
  }
  return instants
}

/** After the commit or the rollback; never before. */
export async function removeMarkers(store: FileStore, instant: Instant): Promise<void> {
  for await (const { path } of store.list(markerFolder(instant))) await store.remove(path)
}

function markerFolder(instant: Instant): string {
  return `${MARKERS}${instant}/`
}
