import { MillraceError } from '../../core/errors.ts'
import { formatLsn, type Lsn } from '../../clients/postgres-replication/index.ts'

/** The server cannot serve what follows the checkpoint any more. */
export function lost(what: string, why: string, detail: Readonly<Record<string, unknown>> = {}): MillraceError {
  return new MillraceError(`${what}: ${why}`, { code: 'POSITION_LOST', retry: 'halt', detail })
}

/** The server has less than was read from it. */
export function ahead(what: string, position: Lsn, end: Lsn): MillraceError {
  const why =
    `the checkpoint goes on at ${formatLsn(position)}, and what is left of that history ends at ${formatLsn(end)}: ` +
    'it was put back to an older state, or failed over and lost its last changes'
  return new MillraceError(`${what}: ${why}`, {
    code: 'POSITION_AHEAD',
    retry: 'halt',
    detail: { position: formatLsn(position), end: formatLsn(end) },
  })
}
