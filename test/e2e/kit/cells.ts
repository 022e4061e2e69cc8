import { FAILPOINTS, type Failpoint, type FailpointPosition } from '../../../src/core/failpoints.ts'

/** With `-s3` the checkpoint log is in object storage too. */
export const SINK_KINDS = [
  'starrocks',
  'doris',
  'hudi',
  'files',
  'kafka',
  'hudi-s3',
  'files-s3',
  'mariadb',
  'postgres',
] as const

export type SinkKind = (typeof SINK_KINDS)[number]

export function isOnS3(sink: SinkKind): boolean {
  return sink.endsWith('-s3')
}

/** One place to die at. */
export interface Cell {
  readonly name: Failpoint
  readonly position: FailpointPosition
  /** At which hit of the process's life. */
  readonly nth: number
}

const POSITIONS: readonly FailpointPosition[] = ['before', 'sent', 'after']

/** Every failpoint at every position, at its first hit. */
export const CELLS: readonly Cell[] = FAILPOINTS.flatMap((name) =>
  POSITIONS.map((position) => ({ name, position, nth: 1 })),
)

/** What has to go on for a failpoint to be hit. */
export type Phase =
  /** Rows flow and checkpoints are made. */
  | 'flow'
  /** The source ends. */
  | 'finish'

export function phaseOf({ name }: Cell): Phase {
  return name.startsWith('final.') ? 'finish' : 'flow'
}

/** Why the process never comes by there, in a job with this sink; undefined when it does. */
export function whyUnreachable({ name, position }: Cell, sink: SinkKind): string | undefined {
  const isWarehouse = sink === 'starrocks' || sink === 'doris'
  if (name === 'store.blob') return 'all state is in the manifest: there are no blobs'
  if (name === 'savepoint.copy') return 'there are no savepoints'
  if (name === 'commit.nth' && position !== 'after') return 'the place between two commits is after the first one'
  if (isOnS3(sink) && (name === 'store.manifest.fsync' || name === 'store.dirsync')) return 'nothing has to be synced'
  if (isOnS3(sink) && name === 'store.manifest.publish') return undefined
  // The table of `hudi-s3` has no partitions, so no rows change lanes.
  const isSql = sink === 'mariadb' || sink === 'postgres'
  if (name === 'chk.align' && (sink.startsWith('files') || sink === 'hudi-s3' || sink === 'kafka' || isSql))
    return 'every lane has a writer of its own: nothing has to be aligned'
  if (isSql && name === 'evidence') return 'a commit that has no clear answer is made again: the control row tells'
  if (sink === 'kafka') {
    if (name === 'evidence') return 'a commit that has no clear answer looks for its record at once'
    if (name === 'decision.apply') return 'nothing runs into its time limit'
  }
  if (name === 'evidence' && !isWarehouse) return 'a rename has an outcome at once, unless somebody else moves files'
  if (name === 'decision.apply' && !isWarehouse) return 'nothing of ours expires in a directory'
  if (position !== 'sent' || name === 'commit' || (name === 'sink.prepare' && (isWarehouse || sink === 'kafka')))
    return undefined
  return 'a step within the process: nothing is sent'
}

/** The highest hit that a process surely comes to. */
export function hitsOf({ name }: Cell): number {
  return /^(chk|sink|store|commit|confirm|ack|gc)\b/.test(name) ? 2 : 1
}

/**
 * A job may end without coming by: the first checkpoint of a start is soon, and on a slow machine it may have all rows, so
 * that nothing is left for a last one.
 */
export function mayBeMissed({ name }: Cell): boolean {
  return name === 'final.publish' || name === 'final.commit'
}

/** As MILLRACE_FAILPOINTS wants it. */
export function armed({ name, position, nth }: Cell, action: 'kill' | 'stop'): string {
  return `${name}:${position}@${nth}=${action}`
}

export function cellText({ name, position, nth }: Cell): string {
  return nth === 1 ? `${name}:${position}` : `${name}:${position}@${nth}`
}
