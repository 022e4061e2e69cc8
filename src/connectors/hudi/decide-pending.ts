/**
 * What to do with an instant whose files a published checkpoint lists: decided from facts, without touching anything.
 * The same table serves the first commit and every later one, also from another process after a crash.
 */
export interface PendingFacts {
  /** The furthest timeline file of the instant. */
  readonly timeline: 'completed' | 'pending' | 'absent'
  /** Whom that file names. `unknown`: nobody that we can read. */
  readonly owner: 'ours' | 'other' | 'unknown'
  /** Whether a completed commit lists the checkpoint's files, with the same rows and sizes. */
  readonly stats: 'same' | 'different'
  /** Whether every file of the checkpoint is there with its exact size. */
  readonly files: 'present' | 'missing'
  /** Whether a rollback, finished or not, names the instant. */
  readonly rolledBack: boolean
  /** Whether the instant is older than everything on the active timeline, so that it may have been archived. */
  readonly archivable: boolean
  /** Whether an archive confirms that the instant was completed. */
  readonly archived: boolean
  /** Of a merge: whether somebody else replaced or rewrote one of the files that it merges. */
  readonly inputs: 'as chosen' | 'rewritten'
}

export type PendingDecision =
  | { readonly act: 'done' }
  | { readonly act: 'commit' }
  /** Proven not committed and not committable any more. */
  | { readonly act: 'lost'; readonly reason: string }
  /** Nobody can tell, or somebody else's work is in the way: an operator decides. */
  | { readonly act: 'halt'; readonly reason: string }

export interface PendingRule {
  readonly name: string
  readonly when: Partial<PendingFacts>
  readonly decision: PendingDecision
}

/** The first rule whose facts hold decides. */
export const PENDING_RULES: readonly PendingRule[] = [
  {
    name: 'completed by us with these files: done',
    when: { timeline: 'completed', owner: 'ours', stats: 'same' },
    decision: { act: 'done' },
  },
  {
    name: 'completed by us with other files: halt',
    when: { timeline: 'completed', owner: 'ours' },
    decision: halt('it was completed for this checkpoint, but with other files than the checkpoint lists'),
  },
  {
    name: 'completed by somebody else: halt',
    when: { timeline: 'completed' },
    decision: halt('somebody else completed an instant of the same time'),
  },
  {
    name: 'pending, but a rollback of it has begun: lost',
    when: { timeline: 'pending', rolledBack: true },
    decision: lost('another writer began to roll it back'),
  },
  {
    name: 'pending, named by somebody else: halt',
    when: { timeline: 'pending', owner: 'other' },
    decision: halt('somebody else requested an instant of the same time'),
  },
  {
    name: 'pending, named by nobody: halt',
    when: { timeline: 'pending', owner: 'unknown' },
    decision: halt('its timeline files do not say whose they are'),
  },
  {
    name: 'pending, ours, a file is missing: lost',
    when: { timeline: 'pending', files: 'missing' },
    decision: lost('data files behind a published checkpoint are missing or have another size'),
  },
  {
    name: 'pending, ours, a merge of files that changed since: lost',
    when: { timeline: 'pending', inputs: 'rewritten' },
    decision: lost('another writer rewrote files that it merges'),
  },
  {
    name: 'pending, ours, all files there: commit',
    when: { timeline: 'pending' },
    decision: { act: 'commit' },
  },
  {
    name: 'gone, and a rollback names it: lost',
    when: { timeline: 'absent', rolledBack: true },
    decision: lost('another writer rolled it back'),
  },
  {
    name: 'gone, older than the timeline, confirmed by an archive: done',
    when: { timeline: 'absent', archivable: true, archived: true },
    decision: { act: 'done' },
  },
  {
    name: 'gone, older than the timeline, no archive knows it: halt',
    when: { timeline: 'absent', archivable: true },
    decision: halt('it is older than the active timeline, and no archive says whether it was completed'),
  },
  {
    name: 'gone, not older than the timeline: lost',
    when: { timeline: 'absent' },
    decision: lost('it was removed from the timeline before it was completed'),
  },
]

export function decidePending(facts: PendingFacts): PendingDecision {
  const rule = PENDING_RULES.find(({ when }) => holds(when, facts))
  // The last rules of each timeline state have no further condition, so one always holds.
  return rule?.decision ?? halt('no rule covers its state')
}

function holds(when: Partial<PendingFacts>, facts: PendingFacts): boolean {
  return Object.entries(when).every(([key, value]) => facts[key as keyof PendingFacts] === value)
}

function lost(reason: string): PendingDecision {
  return { act: 'lost', reason }
}

function halt(reason: string): PendingDecision {
  return { act: 'halt', reason }
}
