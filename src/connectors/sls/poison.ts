import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SlsSplit } from './split.ts'

/** Where one log stands: the number of its group, where the service tells it, and its place in the group. */
export interface LogPlace {
  readonly split: SlsSplit
  readonly cursor: string
  readonly group: bigint | undefined
  readonly log: number
}

/** A log that no row can be made of: where it is and why, never what it holds. */
export function poisonLog({ split, cursor, group, log }: LogPlace, column: string, reason: string): MillraceError {
  const { logstore, shard } = split
  const at = group === undefined ? `behind cursor ${cursor}` : `of group ${group} (pulled at cursor ${cursor})`
  const key = column === '' ? '' : `, key ${column}`
  const detail: JsonObject = {
    split: `${logstore}/${shard}`,
    shard,
    cursor,
    ...(group === undefined ? {} : { offset: String(group) }),
    log,
    column,
    reason,
  }
  return new MillraceError(`SLS logstore ${logstore} shard ${shard}: log ${log} ${at}${key}: ${reason}`, {
    code: 'POISON',
    retry: 'halt',
    detail,
  })
}
