import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { useKafka } from '../../../../scripts/services/kafka.ts'
import { bytesBatch } from '../../../testkit/bytes-batch.ts'
import { KafkaTarget } from '../../../testkit/kafka-target.ts'
import { testCoordinatorContext, testLaneContext } from '../../../testkit/lane-context.ts'
import { sinkSuite, type OpenedSink } from '../../../testkit/sink-suite.ts'
import { kafkaSinkOptions } from './options.ts'
import { KafkaSink } from './sink.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

async function open(compression: string): Promise<OpenedSink> {
  const target = await KafkaTarget.create(bootstrap, 3)
  const options = { brokers: [bootstrap], topic: target.topic, transactionTimeout: '10m', compression }
  const sink = new KafkaSink(kafkaSinkOptions.parse(options))
  const names = { job: randomUUID(), id: 'out' }
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ ...names, lanes: 2 })),
    writer: (lane) => sink.writer(testLaneContext({ ...names, lane, lanes: 2 })),
    batch: (from, to) =>
      bytesBatch(
        Array.from({ length: to - from }, (_, at) => `{"id":${from + at}}`),
        { separator: 0x0a },
      ),
    visible: async () => {
      const ids = (await target.read()).map(({ value }) => (JSON.parse(value ?? '') as { id: number }).id)
      return ids.sort((one, other) => one - other)
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  }
}

sinkSuite('Kafka', () => open('none'))
sinkSuite('Kafka with LZ4', () => open('lz4'))
