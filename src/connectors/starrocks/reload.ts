import type { CheckpointTimes } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { StarRocksTransactions } from '../../clients/stream-load/index.ts'
import type { KeptLoad } from '../../clients/stream-load/loader/body-keeper.ts'
import { assertTaken } from '../../clients/stream-load/loader/count-rows.ts'
import type { KeptRows } from '../../clients/stream-load/loader/kept-rows.ts'
import { limitsOf } from './limits.ts'

/**
 * A lost transaction once more, under another label: the same loads with the same headers, prepared. Every answer but the
 * best one ends the try, which left nothing visible.
 */
export async function reloadTransaction(
  transactions: StarRocksTransactions,
  times: CheckpointTimes,
  committable: JsonObject,
  { headers, bodies }: KeptLoad,
  rows: KeptRows,
): Promise<JsonObject> {
  const { database, table, label } = namesOf(committable)
  const { openTimeoutS, preparedTimeoutS } = limitsOf(times)
  const begun = await transactions.begin({ database, table, label, timeoutS: openTimeoutS })
  if (begun.kind !== 'begun') throw refused('beginning', label, begun)
  for (const body of bodies) {
    const loaded = await rows.send(body, await transactions.load({ database, table, label, headers }))
    if (loaded.kind !== 'loaded') throw refused('loading', label, loaded)
  }
  const prepared = await transactions.prepare({ database, label, preparedTimeoutS })
  failpoint('sink.prepare', 'sent')
  if (prepared.kind !== 'prepared') throw refused('preparing', label, prepared)
  assertTaken(label, Number(committable['rows']), prepared.counts)
  return committable
}

function namesOf(committable: JsonObject): { database: string; table: string; label: string } {
  const [database = '', table = '', label = ''] = ['database', 'table', 'label'].map((key) => String(committable[key]))
  return { database, table, label }
}

type Answer = { readonly kind: string; readonly error?: MillraceError; readonly reason?: string }

function refused(doing: string, label: string, { kind, error, reason }: Answer): MillraceError {
  if (error !== undefined) return error
  return new MillraceError(`${doing} ${label} with kept rows: ${reason ?? kind}`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
  })
}
