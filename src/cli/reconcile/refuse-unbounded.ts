import { MillraceError } from '../../core/errors.ts'
import { keepsState, type Plan, type SinkStep, type SourceStep } from '../../plan/plan.ts'
import type { SplitRange } from '../replay-ranges.ts'
import { hasFiles, placeOf } from './sink-kind.ts'

export interface OpenTarget {
  readonly sources: readonly SourceStep[]
  readonly ranges: readonly SplitRange[]
  /** The target keeps one row of each. */
  readonly key: readonly string[]
  readonly isRunning: boolean
}

/**
 * While a job writes, or has left transactions open, only that part of a target can be compared that is known to be of
 * settled checkpoints: files by their checkpoint, rows of tables by their place in the topic.
 */
export function refuseUnbounded(sink: SinkStep, plan: Plan, target: OpenTarget): void {
  const why = whyUnbounded(sink, plan, target)
  if (why === undefined) return
  const { isRunning } = target
  const state = isRunning ? 'is running' : 'was stopped with transactions that are not known committed'
  const remedy = isRunning ? 'stop it first (millrace stop)' : 'start it, so that they are, and stop it again'
  throw new MillraceError(
    `${plan.name} ${state}, and which rows of ${sink.id} belong to the settled checkpoint cannot be told: ${why}. ${remedy}`,
    { code: 'CONFIG' },
  )
}

function whyUnbounded(sink: SinkStep, plan: Plan, { sources, ranges, key, isRunning }: OpenTarget): string | undefined {
  const whole = sources.find(({ connector }) => connector !== 'kafka')
  if (whole !== undefined) return `${whole.id} is compared as a whole`
  if (hasFiles(sink)) return undefined
  if (sink.connector === 'duckdb' && isRunning) return 'the job holds its database'
  if (placeOf(sink) === undefined) return 'it does not keep the columns _partition and _offset'
  if (key.length > 0) return 'newer rows may have replaced those of the checkpoint'
  if (keepsState(plan)) return 'rows of steps that keep state come from several places'
  const topics = new Set(ranges.map(({ split }) => split.slice(0, split.lastIndexOf('/'))))
  return topics.size === 1 ? undefined : 'its rows come from several topics'
}
