import type { SweepReport, SweepScope } from '../../../core/checkpoint-types.ts'
import { MillraceError } from '../../../core/errors.ts'
import type { RollbackOutcome } from '../outcomes.ts'
import type { LabelParts } from '../labels.ts'
import { labelOf } from '../labels.ts'

/** The labels of a sink, and how to look at one. */
export interface LabelScope {
  readonly base: Pick<LabelParts, 'prefix' | 'jobUid' | 'sink' | 'table'>
  /** Writers that this run has. An earlier run may have had more; see `WRITERS_LOOKED_FOR`. */
  readonly writers: number
  /** Several labels per checkpoint and writer (Doris): they are looked for one after the other until one is unknown. */
  readonly isNumbered: boolean
  /** State of a label in the server's own words, `UNKNOWN` when it has never heard of it. */
  readonly state: (label: string) => Promise<string>
}

export interface SweepOptions extends LabelScope {
  readonly scope: SweepScope
  readonly abandon: (label: string) => Promise<RollbackOutcome>
  /** Under which earlier epochs may have loaded kept rows again, without the log knowing it. */
  readonly reloads: readonly string[]
}

/** A look at an unknown label costs a millisecond; leftovers of writers beyond this end at the server's timeout. */
export const WRITERS_LOOKED_FOR = 8

/**
 * Aborts what earlier runs left open or prepared and no manifest owns. Labels carry epoch and checkpoint, so all that a
 * run may have begun can be named; only epochs below our own are looked at.
 */
export async function sweepLabels(options: SweepOptions): Promise<SweepReport> {
  const kept = new Set(options.scope.keep.map((committable) => String(committable['label'])))
  const aborted: string[] = []
  let found = 0
  const writers = Math.max(options.writers, WRITERS_LOOKED_FOR)
  const scopes = options.scope.runs.flatMap((run) =>
    Array.from({ length: (run.to - run.from + 1) * writers }, (_, index) => ({
      epoch: run.epoch,
      checkpoint: run.from + Math.floor(index / writers),
      writer: index % writers,
    })),
  )
  const reloads = options.reloads.map(async (label) => {
    const state = await options.state(label)
    if (state === 'UNKNOWN') return
    found += 1
    if (state !== 'ABORTED' && !kept.has(label)) aborted.push(await abandonOne(label, state, options))
  })
  await Promise.all([
    ...reloads,
    ...scopes.map(async (parts) => {
      for (let load = 0; ; load++) {
        const label = labelOf({ ...options.base, ...parts, attempt: 0, ...(options.isNumbered ? { load } : {}) })
        const state = await options.state(label)
        if (state === 'UNKNOWN') return
        found += 1
        if (state !== 'ABORTED' && !kept.has(label)) aborted.push(await abandonOne(label, state, options))
        if (!options.isNumbered) return
      }
    }),
  ])
  return { aborted, found }
}

async function abandonOne(label: string, state: string, options: SweepOptions): Promise<string> {
  const outcome = await options.abandon(label)
  if (outcome.kind === 'rolled-back' || outcome.kind === 'already-rolled-back' || outcome.kind === 'not-found')
    return label
  if (outcome.kind === 'committed') {
    throw new MillraceError(
      `${label} is committed, and no checkpoint of this state directory knows it: another copy of the state wrote it, ` +
        `or the checkpoint log was lost. Nothing was changed.`,
      { code: 'OUTCOME_UNKNOWN', detail: { label, state } },
    )
  }
  const reason = outcome.kind === 'failed' ? outcome.error.message : outcome.reason
  throw new MillraceError(`rolling back ${label}, left by an earlier run: ${reason}`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
    detail: { label, state },
  })
}
