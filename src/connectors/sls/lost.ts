import { MillraceError } from '../../core/errors.ts'
import type { SlsSplit } from './split.ts'

/** Groups that the checkpoint goes on with are gone: they were older than the logstore keeps them. */
export function expired(
  { logstore, shard }: SlsSplit,
  range: { readonly wanted: bigint; readonly first: bigint },
): MillraceError {
  const { wanted, first } = range
  return new MillraceError(
    `SLS logstore ${logstore} shard ${shard}: the checkpoint goes on at group ${wanted}, and the oldest that is left is ` +
      `${first}: ${first - wanted} log groups expired before they were read`,
    {
      code: 'POSITION_LOST',
      retry: 'halt',
      detail: { logstore, shard, position: String(wanted), first: String(first), lost: String(first - wanted) },
    },
  )
}

export function gone({ logstore, shard }: SlsSplit, why: string): MillraceError {
  return new MillraceError(`SLS logstore ${logstore} shard ${shard}: ${why} before it was read to its end`, {
    code: 'POSITION_LOST',
    retry: 'halt',
    detail: { logstore, shard },
  })
}

/** The shard ends before the checkpoint: it is not the one that was read. */
export function rolledBack({ logstore, shard }: SlsSplit, position: bigint, end: bigint): MillraceError {
  return new MillraceError(
    `SLS logstore ${logstore} shard ${shard}: the checkpoint goes on at group ${position}, and the shard ends at ${end}: ` +
      'it holds less than was read from it',
    {
      code: 'POSITION_AHEAD',
      retry: 'halt',
      detail: { logstore, shard, position: String(position), end: String(end) },
    },
  )
}
