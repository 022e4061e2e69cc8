import { MillraceError } from '../core/errors.ts'

/** Answers to a member that is being given other partitions, or was. */
const MOVING: ReadonlySet<unknown> = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'])

/** How deep handlers may wrap an error. */
const CAUSES_MAX = 8

/** Whether a commit was refused, alone or in a transaction, because its member is not in the group's present generation. */
export function isRefusedMember(thrown: unknown): boolean {
  return someCause(thrown, ({ detail }) => MOVING.has(detail['kafka']))
}

/**
 * Whether an error says that somebody else does the work now, that we have to be a member again first, or that nobody knows
 * whether a transaction was committed. No message is to blame for it: it is no failed try, and makes no dead letter.
 */
export function isNoFaultOfMessage(thrown: unknown): boolean {
  return (
    isRefusedMember(thrown) ||
    someCause(thrown, ({ code, detail }) => code === 'FENCED' || detail['outcome'] === UNKNOWN)
  )
}

/** `detail.outcome` of an error after which a transaction may be committed, or may not be. */
export const UNKNOWN = 'unknown'

function someCause(thrown: unknown, isMeant: (error: MillraceError) => boolean): boolean {
  for (let error = thrown, depth = 0; error instanceof Error && depth < CAUSES_MAX; error = error.cause, depth++)
    if (error instanceof MillraceError && isMeant(error)) return true
  return false
}
