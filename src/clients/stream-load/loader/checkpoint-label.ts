import type { LaneContext } from '../../../core/context.ts'
import type { JsonObject } from '../../../core/json.ts'
import { labelOf } from '../labels.ts'
import type { LoadSinkOptions } from './load-options.ts'

/** The label of what one lane loads into one table in the checkpoint of a ticket; `load` where that needs several. */
export function checkpointLabel(
  options: Pick<LoadSinkOptions, 'labelPrefix'>,
  context: Pick<LaneContext, 'job' | 'id' | 'lane'>,
  target: { readonly database: string; readonly table: string },
  ticket: JsonObject,
  load?: number,
): string {
  return labelOf({
    prefix: options.labelPrefix,
    jobUid: context.job,
    sink: context.id,
    table: `${target.database}.${target.table}`,
    writer: context.lane,
    epoch: Number(ticket['epoch']),
    checkpoint: Number(ticket['checkpoint']),
    attempt: 0,
    ...(load === undefined ? {} : { load }),
  })
}
