import type { FileStore } from '../../core/file-store.ts'
import { parseDataFileName } from './file-name.ts'
import type { Instant } from './instant.ts'
import { markedFiles } from './markers.ts'
import { splitPath } from './partition.ts'
import { removeFile } from './remove-file.ts'

/**
 * Every data file on disk that carries the instant, by the markers and by listing the partitions that they name.
 * Markers alone would do for our own writers; the listing also finds what a late upload brought back.
 */
export async function filesOfInstant(store: FileStore, instant: Instant): Promise<readonly string[]> {
  const marked = await markedFiles(store, instant)
  const partitions = new Set(marked.map((path) => splitPath(path).partition))
  const found = new Set<string>()
  for (const partition of partitions) {
    for await (const { path } of store.list(partition === '' ? '' : `${partition}/`)) {
      const at = splitPath(path)
      if (at.partition === partition && parseDataFileName(at.name)?.instant === instant) found.add(path)
    }
  }
  return [...found].toSorted()
}

/**
 * Throws away what writers of the instant have begun and not finished, where the store can tell. A writer that is still
 * alive cannot finish it any more.
 */
export async function dropUnfinished(store: FileStore, instant: Instant): Promise<void> {
  for await (const { path, drop } of store.staging?.list('') ?? []) {
    if (parseDataFileName(splitPath(path).name)?.instant === instant) await drop()
  }
}

/**
 * Before the commit: removes files that carry the instant but are not in the commit, for readers that list directories
 * would count them (HoodieTable.java of Apache Hudi does the same by markers).
 */
export async function removeStrays(
  store: FileStore,
  instant: Instant,
  committed: ReadonlySet<string>,
): Promise<readonly string[]> {
  const strays = (await markedFiles(store, instant)).filter((path) => !committed.has(path))
  for (const path of strays) await removeFile(store, path)
  return strays
}
