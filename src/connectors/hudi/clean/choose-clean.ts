import type { Instant } from '../instant.ts'

/** Files that a merge took the place of, and that are still there. */
export interface ReplacedFiles {
  /** Of the merge. */
  readonly instant: Instant
  readonly paths: readonly string[]
}

export interface CleanFacts {
  readonly replaced: readonly ReplacedFiles[]
  /** Times of the completed instants that add files, oldest first. */
  readonly commits: readonly Instant[]
  readonly savepoints: readonly Instant[]
  /** A query that began so many commits ago still finds its files. */
  readonly retainedCommits: number
}

export interface ChosenClean {
  readonly replaced: readonly ReplacedFiles[]
  /** The oldest commit whose files are all kept. */
  readonly earliest: Instant
}

/**
 * What to delete: replaced files that no commit within the retention and no savepoint needs. `undefined` when there is
 * too little of it; a clean instant for every merge would fill the timeline.
 */
export function chooseClean({ replaced, commits, savepoints, retainedCommits }: CleanFacts): ChosenClean | undefined {
  const earliest = commits[commits.length - retainedCommits]
  if (earliest === undefined) return undefined
  const due = replaced.filter(
    // A savepoint before the merge shows the files that the merge hides.
    ({ instant }) => instant < earliest && savepoints.every((savepoint) => savepoint >= instant),
  )
  const isLate = ({ instant }: ReplacedFiles): boolean =>
    commits.length - commits.findLastIndex((commit) => commit <= instant) - 1 >= retainedCommits * 1.25
  return due.some(isLate) ? { replaced: due, earliest } : undefined
}
