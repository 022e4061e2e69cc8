import type { Beginning, SplitState } from './entries.ts'
import type { Examined } from './decision-case.ts'
import type { StateByStep } from './kept-state.ts'
import type { Lineage } from './lineage.ts'
import { MillraceError } from '../core/errors.ts'
import type { CheckpointId, PendingCommittable } from '../core/checkpoint-types.ts'

/** What the current plan says about itself, for comparing with the manifest. */
export interface PlanIdentity {
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  /** Steps that keep state, and what their rows mean. */
  readonly states?: Readonly<Record<string, string>>
}

export type RestoreDecision =
  /** All input was read before: nothing is left to do. */
  | { readonly kind: 'finished' }
  /** Nobody has published anything yet: sources begin where the options say. */
  | { readonly kind: 'fresh'; readonly next: CheckpointId }
  | {
      readonly kind: 'restore'
      readonly next: CheckpointId
      readonly from: CheckpointId
      readonly pending: readonly PendingCommittable[]
      readonly sources: Readonly<Record<string, readonly SplitState[]>>
    }

/**
 * R3 of the restore: which checkpoint counts, and whether this plan can take it over. Throws CONFIG when state would be
 * left without an owner: guessing a new owner would lose or double its records.
 */
export function decideRestore(lineage: Lineage, plan: PlanIdentity): RestoreDecision {
  if (lineage.ended === 'finished') return { kind: 'finished' }
  const newest = lineage.newest
  if (newest === undefined) return { kind: 'fresh', next: lineage.nextCheckpoint }
  refuseOrphans(Object.keys(newest.sources), plan.sources, 'source')
  refuseOrphans(
    lineage.pending.map((item) => item.sink),
    plan.sinks,
    'sink',
  )
  refuseOtherState(newest.state ?? {}, plan.states ?? {})
  return {
    kind: 'restore',
    next: lineage.nextCheckpoint,
    from: newest.checkpoint,
    pending: lineage.pending,
    sources: newest.sources,
  }
}

/** Throws OUTCOME_UNKNOWN when a sink holds work of this pipeline that the log does not know: it would be written again. */
export function refuseLostLog(
  traces: Readonly<Record<string, readonly string[]>>,
  address: string,
  known: CheckpointId,
): void {
  const sinks = Object.keys(traces)
  if (sinks.length === 0) return
  const named = sinks.map((sink) => `"${sink}" (${(traces[sink] ?? []).slice(0, 3).join(', ')})`).join(' and ')
  if (known > 0) {
    throw new MillraceError(
      `${address} knows checkpoints up to ${known} of this pipeline, and there are later ones in ${named}: the state was put ` +
        'back to an older copy. Going on would write the rows of those checkpoints again. Put the newest state back, or put ' +
        'the target back to the same moment as the state',
      { code: 'OUTCOME_UNKNOWN', detail: { traces, known } },
    )
  }
  throw new MillraceError(
    `${address} holds no checkpoint of this pipeline, and there is work of an earlier life of it in ${named}: somebody took ` +
      'the state directory away. Going on would write those rows again. Put the state directory back. To begin anew, give ' +
      'the pipeline another `name` (and a sink of files another `path`); what is in the target stays there',
    { code: 'OUTCOME_UNKNOWN', detail: { traces } },
  )
}

/** Throws SINK_WENT_BACK when a sink proves that confirmed work is gone: going on would leave a hole. */
export function refuseOlderSink(confirmed: readonly Examined[]): void {
  const gone = confirmed.filter(({ evidence }) => evidence.state === 'lost')
  const [first] = gone
  if (first === undefined) return
  const { sink, checkpoint } = first.item
  const rows = gone.reduce((sum, { item }) => sum + item.rows, 0)
  const reason = first.evidence.state === 'lost' ? first.evidence.reason : ''
  throw new MillraceError(
    `the sink "${sink}" does not hold checkpoint ${checkpoint} any more, which was committed and confirmed (${rows} rows): ` +
      `${reason}. Its target was put back to an older state. Put it forward again, or decide with \`millrace decide\`: rewind ` +
      'reads the checkpoint again, accept-loss goes on without it',
    { code: 'SINK_WENT_BACK', detail: { sink, checkpoint, rows, committable: first.item.committable } },
  )
}

/**
 * Where a source goes on, `undefined` where it looks for its start anew. A moment such as `latest` is resolved once: what
 * arrives while a job is down before its first checkpoint is read, too. A source that begins at its beginning loses
 * nothing by looking again, so a file may be mended until something of it is published. Once something was, also what
 * was taken back, its beginning is what it was.
 */
export function goesOnAt(
  { newest, beginnings, publishedSources }: Pick<Lineage, 'newest' | 'beginnings' | 'publishedSources'>,
  source: string,
  moment: string | undefined,
): readonly SplitState[] | undefined {
  const published = newest?.sources[source]
  if (published !== undefined) return published
  const begun: Beginning | undefined = beginnings[source]
  if (begun === undefined || publishedSources.has(source)) return begun?.splits
  return moment !== undefined && begun.moment === moment ? begun.splits : undefined
}

function refuseOtherState(kept: StateByStep, steps: Readonly<Record<string, string>>): void {
  refuseOrphans(Object.keys(kept), Object.keys(steps), 'step')
  const other = Object.keys(kept).find((step) => kept[step]?.definition !== steps[step])
  if (other === undefined) return
  throw new MillraceError(
    `the last checkpoint holds state of the step "${other}" as it was defined before: its key, window, aggregates or the ` +
      'types of its columns are others now. Put the definition back, or give the pipeline another name to begin anew',
    { code: 'CONFIG', detail: { step: other } },
  )
}

function refuseOrphans(needed: readonly string[], present: readonly string[], what: string): void {
  const missing = [...new Set(needed)].filter((id) => !present.includes(id))
  if (missing.length === 0) return
  throw new MillraceError(
    `the last checkpoint holds state of the ${what} ${missing.map((id) => `"${id}"`).join(', ')}, which is not in the pipeline. ` +
      `Ids are identities: put it back under its id, or give the pipeline another name to begin anew.`,
    { code: 'CONFIG', detail: { missing } },
  )
}
