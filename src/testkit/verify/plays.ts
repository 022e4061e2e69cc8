import { FAILPOINTS } from '../../core/failpoints.ts'
import type { Plan } from '../../plan/plan.ts'
import type { Operation } from '../emulators/faults.ts'
import { isEncrypted, isSqlSink } from './sql-scratch.ts'

/** One thing that is done to the pipeline while it runs. */
export type Play =
  | { readonly kind: 'clean' }
  /** SIGKILL at a step; steps of a start are passed by the second process. */
  | { readonly kind: 'kill'; readonly step: string; readonly position: string }
  | { readonly kind: 'lost reply'; readonly operation: Operation | typeof COMMIT }
  /** SIGSTOP, another instance does the work, SIGCONT. */
  | { readonly kind: 'twin'; readonly step: string; readonly position: string }

/** The statement that SQL sinks end their transactions with. */
export const COMMIT = 'COMMIT'
const REMOTE_STEPS: ReadonlySet<string> = new Set(['commit', 'sink.prepare'])
/** Steps that only a person's doing leads to. */
const BY_HAND: ReadonlySet<string> = new Set(['decision.apply', 'savepoint.copy', 'stop.barrier', 'stop.exit'])
const TWINS = [
  ['sink.prepare', 'after'],
  ['store.manifest.publish', 'before'],
  ['commit', 'before'],
] as const

/** Steps before anything is published: a job killed there begins again, so one job can die at all of them in turn. */
const UNPUBLISHED = /^(chk|sink)\.|^store\.manifest\.(write|fsync)$/

/**
 * Plays that are made with one job after the other; what is wrong at its end is looked for one by one. Replies are lost by
 * emulators, and by what stands before SQL servers; for other sinks on their own servers see `notPlayed`.
 */
export function playsFor(plan: Plan, only = '', onServers: ReadonlySet<string> = new Set()): Play[][] {
  const connectors = new Set(
    plan.steps.flatMap((step) => (step.kind === 'sink' && !onServers.has(step.id) ? [step.connector] : [])),
  )
  const operations: (Operation | typeof COMMIT)[] = [
    ...(connectors.has('starrocks') ? (['begin', 'load', 'prepare', 'commit'] as const) : []),
    ...(connectors.has('doris') ? (['streamLoad', 'twoPhaseCommit'] as const) : []),
    ...(plan.steps.some((step) => step.kind === 'sink' && isSqlSink(step) && !isEncrypted(step))
      ? ([COMMIT] as const)
      : []),
  ]
  const kills = [
    ...FAILPOINTS.filter((step) => !BY_HAND.has(step)).flatMap((step): Play[] =>
      (REMOTE_STEPS.has(step) ? ['before', 'sent', 'after'] : ['before', 'after']).map((position) => ({
        kind: 'kill',
        step,
        position,
      })),
    ),
  ]
  const inGroup = (fits: (step: string) => boolean): Play[] =>
    kills.filter((play) => play.kind === 'kill' && fits(play.step))
  const isOfRestore = (step: string): boolean => step.startsWith('restore.')
  const isUnpublished = (step: string): boolean => UNPUBLISHED.test(step)
  const groups = [
    inGroup(isUnpublished),
    inGroup(isOfRestore),
    ...inGroup((step) => !isUnpublished(step) && !isOfRestore(step)).map((play) => [play]),
    ...operations.map((operation): Play[] => [{ kind: 'lost reply', operation }]),
    ...TWINS.map(([step, position]): Play[] => [{ kind: 'twin', step, position }]),
  ]
  return groups
    .map((group) => group.filter((play) => titleOf(play).step.includes(only)))
    .filter((group) => group.length > 0)
}

/** Faults that this pipeline could meet and that nothing here can make, for the certificate. */
export function notPlayed(plan: Plan, given: ReadonlySet<string>): string[] {
  return plan.steps.flatMap((step) => {
    if (step.kind !== 'sink') return []
    const lost = `lost replies to ${step.id} (${step.connector})`
    if (isSqlSink(step) && isEncrypted(step)) return [`${lost}: its connections are encrypted`]
    if (!given.has(step.id)) return []
    if (step.connector === 'kafka') return [`${lost}: clients go to the addresses that brokers tell them`]
    return [`${lost}: loads go to the backends that the frontend redirects them to`]
  })
}

/** Steps of a start that has something to go on from. */
export function isRestoring(step: string): boolean {
  return step.startsWith('restore.') || step === 'evidence'
}

export function titleOf(play: Play): { readonly step: string; readonly fault: string } {
  switch (play.kind) {
    case 'clean':
      return { step: '–', fault: 'none' }
    case 'kill':
      return { step: `${play.step}:${play.position}`, fault: 'kill -9' }
    case 'lost reply':
      return { step: play.operation, fault: 'reply lost' }
    case 'twin':
      return { step: `${play.step}:${play.position}`, fault: 'stopped beside a twin' }
  }
}
