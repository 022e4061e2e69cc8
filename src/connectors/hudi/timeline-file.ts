import type { Instant } from './instant.ts'

/**
 * The files of the active timeline, layout 1 (table version 6). Each state of an instant is a file of its own:
 *
 *   <t>.commit.requested ──► <t>.inflight ──► <t>.commit
 *   <t>.rollback.requested ──► <t>.rollback.inflight ──► <t>.rollback
 *
 * The inflight file of a commit is the only one without its action (InstantFileNameGeneratorV1.java of Apache Hudi).
 */
export interface TimelineFile {
  readonly time: Instant
  readonly action: string
  readonly state: InstantState
}

/** Our actions that add data files. */
export type WriteAction = 'commit' | 'replacecommit'

export type InstantState = 'requested' | 'inflight' | 'completed'

export const TIMELINE_FOLDER = '.hoodie/'

export function timelinePath(file: TimelineFile): string {
  return TIMELINE_FOLDER + timelineFileName(file)
}

export function timelineFileName({ time, action, state }: TimelineFile): string {
  if (state === 'completed') return `${time}.${action}`
  if (state === 'inflight' && action === 'commit') return `${time}.inflight`
  return `${time}.${action}.${state}`
}

/** What a file in `.hoodie/` stands for, or `undefined` when it is no timeline file. */
export function parseTimelineFileName(name: string): TimelineFile | undefined {
  const parts = /^(\d{14}|\d{17})\.([a-z]+)(?:\.(requested|inflight))?$/.exec(name)
  if (parts === null) return undefined
  const [, time = '', action = '', state] = parts
  if (action === 'requested') return undefined
  if (action === 'inflight') return state === undefined ? { time, action: 'commit', state: 'inflight' } : undefined
  return { time, action, state: state === 'requested' || state === 'inflight' ? state : 'completed' }
}
