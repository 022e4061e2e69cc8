import type { FileStore } from '../../../core/file-store.ts'
import type { PreparedCommit } from '../prepared-commit.ts'
import { readMetadata } from '../read-metadata.ts'
import { isOurFileId, parseDataFileName } from '../file-name.ts'
import { splitPath } from '../partition.ts'
import type { Timeline } from '../timeline.ts'
import { chooseMerge, isSmall, type MergeInput, type MergeRules, type SmallFile } from './choose-merge.ts'

interface Partition {
  readonly files: Map<string, SmallFile>
  /** Number of the commit that last added to it. */
  touched: number
}

/** The small files of a table by partition: found once by a listing, then kept by what is committed. */
export class SmallFiles {
  readonly #rules: MergeRules
  readonly #partitions = new Map<string, Partition>()
  #commits = 0

  constructor(rules: MergeRules) {
    this.#rules = rules
  }

  /** Takes note of a commit of ours. */
  committed({ stats, instant, merge }: PreparedCommit): void {
    if (merge === undefined) this.#commits++
    else this.remove(merge.inputs)
    for (const { fileId, path, partitionPath, bytes } of stats) {
      this.add({ fileId, path, partitionPath, bytes, instant })
      const partition = this.#partitions.get(partitionPath)
      if (partition !== undefined && merge === undefined) partition.touched = this.#commits
    }
  }

  add(file: SmallFile): void {
    if (!isSmall(file.bytes, this.#rules)) return
    const partition = this.#partitions.get(file.partitionPath) ?? { files: new Map(), touched: this.#commits }
    partition.files.set(file.path, file)
    this.#partitions.set(file.partitionPath, partition)
  }

  remove(inputs: readonly MergeInput[]): void {
    for (const { partitionPath, path } of inputs) {
      const files = this.#partitions.get(partitionPath)?.files
      files?.delete(path)
      if (files?.size === 0) this.#partitions.delete(partitionPath)
    }
  }

  /** The next merge; no files, when there is nothing to do. */
  choose(): readonly SmallFile[] {
    for (const { files, touched } of this.#partitions.values()) {
      if (files.size < 2) continue
      const oldestFirst = [...files.values()].sort((a, b) => (a.instant < b.instant ? -1 : 1))
      const chosen = chooseMerge(oldestFirst, this.#commits - touched, this.#rules)
      if (chosen.length > 1) return chosen
    }
    return []
  }
}

/**
 * Adds the small files that are there already: those that readers see and that this connector wrote. Lists the whole
 * table, once in a run.
 */
export async function findSmallFiles(store: FileStore, timeline: Timeline, found: SmallFiles): Promise<void> {
  const completed = new Set(timeline.completedWrites.map(({ time }) => time))
  const hidden = await replacedIds(store, timeline)
  const groups = new Map<string, SmallFile[]>()
  for await (const { path, size } of store.list('')) {
    const { partition, name } = splitPath(path)
    const file = parseDataFileName(name)
    if (file === undefined || path.startsWith('.')) continue
    const { fileId, instant } = file
    const isOld = timeline.firstWrite !== undefined && instant < timeline.firstWrite
    if (!isOurFileId(fileId) || (!isOld && !completed.has(instant))) continue
    if (hidden.has(`${partition}/${fileId}`)) continue
    const group = groups.get(`${partition}/${fileId}`) ?? []
    group.push({ fileId, path, partitionPath: partition, bytes: size, instant })
    groups.set(`${partition}/${fileId}`, group)
  }
  for (const [file, rewritten] of groups.values()) {
    // Several files of a group are versions of it, made by somebody else.
    if (file !== undefined && rewritten === undefined) found.add(file)
  }
}

async function replacedIds(store: FileStore, timeline: Timeline): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const instant of timeline.completedWrites) {
    if (instant.action !== 'replacecommit') continue
    const { replaced = {} } = (await readMetadata(store, instant)) ?? {}
    for (const [partition, fileIds] of Object.entries(replaced)) {
      for (const fileId of fileIds) ids.add(`${partition}/${fileId}`)
    }
  }
  return ids
}
