import type { FileStore } from '../../../core/file-store.ts'
import type { PreparedCommit } from '../prepared-commit.ts'
import { readMetadata } from '../read-metadata.ts'
import type { Timeline } from '../timeline.ts'

/**
 * Whether a commit that completed since the inputs of a merge were chosen wrote a new version of one of them, or
 * replaced it: completing the merge would take that back.
 */
export async function areInputsRewritten(
  store: FileStore,
  timeline: Timeline,
  { instant, merge }: PreparedCommit,
): Promise<boolean> {
  if (merge === undefined) return false
  const inputs = new Set(merge.inputs.map(({ partitionPath, fileId }) => `${partitionPath}/${fileId}`))
  // The commit that wrote an input has it too, under its own name.
  const paths = new Set(merge.inputs.map(({ path }) => path))
  for (const write of timeline.completedWrites) {
    if (write.time <= merge.chosenAt || write.time === instant) continue
    const { stats = [], replaced = {} } = (await readMetadata(store, write)) ?? {}
    const touched = [
      ...stats.filter(({ path }) => !paths.has(path)).map(({ partitionPath, fileId }) => `${partitionPath}/${fileId}`),
      ...Object.entries(replaced).flatMap(([partition, ids]) => ids.map((id) => `${partition}/${id}`)),
    ]
    if (touched.some((each) => inputs.has(each))) return true
  }
  return false
}
