import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SinkAsk, SinkConnector, SinkDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import { keyOrder, type KeyOrder } from '../../clients/stream-load/loader/key-order.ts'
import { bodiesOf, writersOf } from '../../clients/stream-load/loader/load-options.ts'
import { tablesFindings } from '../../clients/stream-load/tables/tables-findings.ts'
import { dorisSinkOptions, type DorisSinkOptions } from './options.ts'

const sink: SinkConnector<DorisSinkOptions> = {
  options: dorisSinkOptions,
  describe,
  create: async (options) => {
    const { DorisSink } = await import('./sink.ts')
    return new DorisSink(options)
  },
}

/** Apache Doris by stream load with two-phase commit. */
export const connector: Connector = {
  name: 'doris',
  summary:
    'Writes Doris tables by stream load with two-phase commit: precommitted at the checkpoint, committed when it is published.',
  sink,
}

/** Rows go one on a line, with `read_json_by_line`. */
const JSON_SEPARATOR = 0x0a

function describe(options: DorisSinkOptions, ask: SinkAsk): SinkDescription {
  const order = keyOrder(options, ask)
  return {
    delivery: deliveryOf(options, ask, order),
    takes: bodiesOf(options, JSON_SEPARATOR),
    writers: writersOf(options, ask.lanes),
    ...(options.routes !== undefined && { tables: true }),
    ...(order.routing === undefined ? {} : { routing: order.routing }),
    findings: [...findingsOf(options), ...tablesFindings(options), ...order.findings],
  }
}

function deliveryOf(options: DorisSinkOptions, ask: SinkAsk, { assumptions, note }: KeyOrder): Delivery {
  if (ask.delivery === 'at-least-once') {
    const reason = 'loads are committed before their checkpoint is published'
    return { class: 'at-least-once', reason, assumptions, stronger: 'delivery: exactly-once' }
  }
  const reason = `two-phase transactions, one for each load of a checkpoint: they become visible one after the other${note}`
  return { class: 'exact', reason, assumptions }
}

function findingsOf(options: DorisSinkOptions): Finding[] {
  if (options.properties['group_commit'] === undefined) return []
  const message = 'group commit excludes two-phase commit'
  return [
    { severity: 'error', code: 'CONFIG', message, hint: 'Remove group_commit.', path: ['properties', 'group_commit'] },
  ]
}
