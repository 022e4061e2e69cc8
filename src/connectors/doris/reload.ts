import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { DorisTwoPhaseLoads } from '../../clients/stream-load/index.ts'
import type { KeptLoad } from '../../clients/stream-load/loader/body-keeper.ts'
import { assertTaken } from '../../clients/stream-load/loader/count-rows.ts'
import type { KeptRows } from '../../clients/stream-load/loader/kept-rows.ts'

/** A lost load once more, under another label and so as another transaction. What is not precommitted ends the try. */
export async function reloadLoad(
  loads: DorisTwoPhaseLoads,
  committable: JsonObject,
  { headers, bodies }: KeptLoad,
  rows: KeptRows,
): Promise<JsonObject> {
  const [body] = bodies
  assert(body !== undefined && bodies.length === 1, 'each load is a transaction of its own')
  const [database = '', table = '', label = ''] = ['database', 'table', 'label'].map((key) => String(committable[key]))
  const outcome = await rows.send(body, await loads.load({ database, table, label, headers }))
  failpoint('sink.prepare', 'sent')
  if (outcome.kind === 'failed') throw outcome.error
  if (outcome.kind !== 'precommitted') {
    const why = outcome.kind === 'unknown' ? outcome.reason : outcome.kind
    throw new MillraceError(`loading ${label} with kept rows: ${why}`, { code: 'UNAVAILABLE', retry: 'restart' })
  }
  assertTaken(label, Number(committable['rows']), outcome.counts)
  return { ...committable, txnId: String(outcome.txnId) }
}
