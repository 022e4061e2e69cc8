import type { Instant } from '../instant.ts'
import type { TimelineInstant } from '../timeline.ts'

export interface ArchiveFacts {
  /** The active timeline, oldest first. */
  readonly instants: readonly TimelineInstant[]
  /** So many completed commits stay on it. */
  readonly timelineCommits: number
  /** Completed replacecommits whose replaced files are still there: only an active instant hides these. */
  readonly uncleaned: ReadonlySet<Instant>
  /** Instants of data files that belong to no completed commit: they would be seen if the timeline began behind them. */
  readonly orphans: readonly Instant[]
}

const WRITES: ReadonlySet<string> = new Set(['commit', 'replacecommit'])
/** What we can write into an archive. */
const KNOWN: ReadonlySet<string> = new Set(['commit', 'replacecommit', 'clean', 'rollback'])

/** Whether enough has gathered: archiving instant by instant would make as many files as it takes away. */
export function isArchiveDue(completedCommits: number, timelineCommits: number): boolean {
  return completedCommits >= timelineCommits * 1.2 + 1
}

/**
 * The instants that leave the timeline: its oldest ones, as far as nothing needs them. Readers take a data file that is
 * older than the first active commit for committed, so the timeline begins in front of the oldest orphan.
 */
export function chooseArchive(facts: ArchiveFacts): readonly TimelineInstant[] {
  const commits = facts.instants.filter(({ action, state }) => WRITES.has(action) && state === 'completed')
  const firstKept = commits[Math.max(0, commits.length - facts.timelineCommits)]?.time
  const orphan = facts.orphans.toSorted()[0]
  const before = orphan === undefined ? undefined : commits.findLast(({ time }) => time <= orphan)?.time
  const chosen: TimelineInstant[] = []
  for (const instant of facts.instants) {
    const { time, action, state } = instant
    if (state !== 'completed' || !KNOWN.has(action) || facts.uncleaned.has(time)) break
    if (firstKept === undefined || time >= firstKept) break
    if (orphan !== undefined && (before === undefined || time >= before)) break
    chosen.push(instant)
  }
  return chosen
}
