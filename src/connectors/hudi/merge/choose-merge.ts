import type { Instant } from '../instant.ts'

/** A file that a merge takes the place of. */
export interface MergeInput {
  readonly fileId: string
  /** Path below the table. */
  readonly path: string
  readonly partitionPath: string
  readonly bytes: number
}

export interface SmallFile extends MergeInput {
  readonly instant: Instant
}

export interface MergeRules {
  /** Bytes. A file of half of it is large enough. */
  readonly targetFileSize: number
  /** A partition that got nothing in so many commits is taken for finished. */
  readonly idleCommits: number
}

/** So many files of similar size are merged although they do not make a large one yet: readers open each of them. */
const SIMILAR_FILES = 16
/** Files of one merge at most: the manifest of a checkpoint lists them. */
const FILES_MAX = 250

export function isSmall(bytes: number, { targetFileSize }: Pick<MergeRules, 'targetFileSize'>): boolean {
  return bytes < targetFileSize / 2
}

/**
 * Which files of one partition to merge into one, oldest first; none, when it is too early. Every byte is written again
 * once or, in partitions that grow slowly, once for every sixteenfold growth.
 *
 * @param files small ones, oldest first.
 * @param commitsSince commits of the table since the newest of them.
 */
export function chooseMerge(
  files: readonly SmallFile[],
  commitsSince: number,
  rules: MergeRules,
): readonly SmallFile[] {
  const whole = upTo(files, rules.targetFileSize)
  if (sumOf(whole) >= rules.targetFileSize) return whole
  for (const similar of Map.groupBy(files, ({ bytes }) => Math.floor(Math.log2(bytes + 1) / 4)).values()) {
    if (similar.length >= SIMILAR_FILES) return upTo(similar, rules.targetFileSize)
  }
  return commitsSince >= rules.idleCommits && whole.length > 1 ? whole : []
}

function upTo(files: readonly SmallFile[], bytes: number): readonly SmallFile[] {
  const taken: SmallFile[] = []
  for (const file of files) {
    if (sumOf(taken) >= bytes || taken.length === FILES_MAX) break
    taken.push(file)
  }
  return taken
}

function sumOf(files: readonly SmallFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}
