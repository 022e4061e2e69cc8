import type { BodyFormat } from '../../../core/batch.ts'
import type { SinkAsk, SinkConnector, SinkDescription } from '../../../core/connector.ts'
import type { Delivery } from '../../../core/delivery.ts'
import { kafkaSinkOptions, type KafkaSinkOptions } from './options.ts'

export const sink: SinkConnector<KafkaSinkOptions> = {
  options: kafkaSinkOptions,
  describe,
  create: async (options) => {
    const { KafkaSink } = await import('./sink.ts')
    return new KafkaSink(options)
  },
}

const JSON_LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }
const RAW: BodyFormat = { kind: 'bytes', format: 'raw', separator: 0x0a }

function describe(options: KafkaSinkOptions, ask: SinkAsk): SinkDescription {
  return {
    delivery: deliveryOf(options, ask),
    takes: [options.format === 'json' ? JSON_LINES : RAW],
    writers: writersOf(options, ask.lanes),
    findings: [],
  }
}

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
