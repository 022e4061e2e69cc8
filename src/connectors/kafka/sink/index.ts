import type { BodyFormat } from '../../../core/batch.ts'
import type { SinkAsk, SinkConnector, SinkDescription } from '../../../core/connector.ts'
import type { Delivery } from '../../../core/delivery.ts'
import { kafkaSinkOptions, type KafkaSinkOptions } from './options.ts'
import { readsColumns, recordSql } from './record-columns.ts'

export const sink: SinkConnector<KafkaSinkOptions> = {
  options: kafkaSinkOptions,
  describe,
  create: async (options) => {
    const { KafkaSink } = await import('./sink.ts')
    return new KafkaSink(options)
  },
}

const JSON_LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }
const TABLE: BodyFormat = { kind: 'table' }
const RAW: BodyFormat = { kind: 'bytes', format: 'raw', separator: 0x0a }

function describe(options: KafkaSinkOptions, ask: SinkAsk): SinkDescription {
  const sql = readsColumns(options) && ask.schema !== undefined ? recordSql(options, ask.schema) : []
  return {
    delivery: deliveryOf(options, ask),
    takes: [readsColumns(options) ? TABLE : options.format === 'json' ? JSON_LINES : RAW],
    writers: writersOf(options, ask.lanes),
    findings: 'value' in sql ? [] : sql,
  }
}

/** Only bytes are handed from lane to lane: rows of tables are written in their own. */
function writersOf({ writers }: KafkaSinkOptions, lanes: number): number | 'lanes' {
  return writers === 'auto' || writers >= lanes ? 'lanes' : writers
}

function deliveryOf(options: KafkaSinkOptions, ask: SinkAsk): Delivery {
  if (ask.delivery === 'at-least-once') {
    const reason = 'records are visible before their checkpoint is published, and are written again after a crash'
    return { class: 'at-least-once', reason, assumptions: [], stronger: 'delivery: exactly-once' }
  }
  const writers = writersOf(options, ask.lanes)
  const count = writers === 'lanes' ? ask.lanes : writers
  if (count === 1)
    return {
      class: 'atomic',
      reason: 'one Kafka transaction per checkpoint, for readers with isolation.level read_committed',
      assumptions: [],
    }
  return {
    class: 'exact',
    reason: `${count} Kafka transactions per checkpoint, for readers with isolation.level read_committed`,
    assumptions: [],
    stronger: 'writers: 1 (all lanes in one transaction)',
  }
}
