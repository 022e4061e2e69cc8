import type { Clock } from '../../core/context.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import {
  endWalsender,
  readSlot,
  ReplicationStream,
  sqlStateOf,
  type Lsn,
  type PgConnection,
  type PgConnectionOptions,
} from '../../clients/postgres-replication/index.ts'
import type { Names } from './names.ts'
import { verifyKept } from './verify-position.ts'

/** object_in_use: another process of the server streams from the slot. */
const IN_USE = '55006'
const TRIES = 40
const PAUSE_MS = 250

/**
 * Streams from the slot. It may still be held by an earlier start, whose process the server has not missed yet, or by a
 * twin that was overtaken: those have our name, and are ended. Somebody else's is not touched.
 */
export async function openStream(
  options: PgConnectionOptions,
  lookup: PgConnection,
  { names, from, clock }: { readonly names: Names; readonly from: Lsn; readonly clock: Clock },
): Promise<ReplicationStream> {
  const { slot, publication, application } = names
  verifyKept(`replication slot ${slot}`, (await readSlot(lookup, slot))?.confirmed, from)
  for (let left = TRIES; ; left--) {
    try {
      return await ReplicationStream.open(options, { slot, publication, from })
    } catch (error) {
      if (sqlStateOf(error) !== IN_USE || left === 0) throw error
      const holder = (await readSlot(lookup, slot))?.activePid
      if (holder !== undefined && !(await endWalsender(lookup, holder, application))) throw held(slot, error)
      await clock.sleep(PAUSE_MS)
    }
  }
}

function held(slot: string, error: unknown): MillraceError {
  const { message } = toMillraceError(error)
  return new MillraceError(
    `${message}: somebody else streams from ${slot}. Give this pipeline a slot of its own, or end the other reader`,
    { code: 'UNAVAILABLE', retry: 'restart', cause: error },
  )
}
