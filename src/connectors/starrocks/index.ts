import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SinkAsk, SinkConnector, SinkDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import { keyOrder, type KeyOrder } from '../../clients/stream-load/loader/key-order.ts'
import { bodiesOf, writersOf } from '../../clients/stream-load/loader/load-options.ts'
import { tablesFindings } from '../../clients/stream-load/tables/tables-findings.ts'
import { starrocksSinkOptions, type StarRocksSinkOptions } from './options.ts'

const sink: SinkConnector<StarRocksSinkOptions> = {
  options: starrocksSinkOptions,
  describe,
  create: async (options) => {
    const { StarRocksSink } = await import('./sink.ts')
    return new StarRocksSink(options)
  },
}

/** StarRocks by transactional stream load. */
export const connector: Connector = {
  name: 'starrocks',
  summary:
    'Writes StarRocks tables by transactional stream load: prepared at the checkpoint, committed when it is published.',
  sink,
}

/** Rows go as an array, with `strip_outer_array`. */
const JSON_SEPARATOR = 0x2c

function describe(options: StarRocksSinkOptions, ask: SinkAsk): SinkDescription {
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

function deliveryOf(options: StarRocksSinkOptions, ask: SinkAsk, { assumptions, note }: KeyOrder): Delivery {
  if (ask.delivery === 'at-least-once') {
    const reason = 'loads are committed before their checkpoint is published'
    return { class: 'at-least-once', reason, assumptions, stronger: 'delivery: exactly-once' }
  }
  const writers = writersOf(options, ask.lanes)
  if (options.routes !== undefined) {
    const reason = 'one two-phase transaction per checkpoint and table: tables become visible one after the other'
    return { class: 'exact', reason, assumptions }
  }
  if (writers === 1) return { class: 'atomic', reason: `one two-phase transaction per checkpoint${note}`, assumptions }
  return {
    class: 'exact',
    reason: `${writers} two-phase transactions per checkpoint, one of each writer${note}`,
    assumptions,
    stronger: 'writers: 1 (all lanes in one transaction)',
  }
}

function findingsOf(options: StarRocksSinkOptions): Finding[] {
  const merge = Object.keys(options.properties).find((name) => name.startsWith('enable_merge_commit'))
  if (merge === undefined) return []
  const message = 'merge commit is at-least-once and cannot be combined with transactions'
  return [{ severity: 'error', code: 'CONFIG', message, hint: `Remove ${merge}.`, path: ['properties', merge] }]
}
