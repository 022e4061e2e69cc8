import { after } from 'node:test'
import { randomUUID } from 'node:crypto'
import { useKafka } from '../../../scripts/services/kafka.ts'
import { KafkaAdmin, KafkaClient, PartitionProducer } from '../../clients/kafka/index.ts'
import { testLaneContext } from '../../testkit/lane-context.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import { kafkaSourceOptions } from './options.ts'
import { KafkaSource } from './source.ts'

const broker = await useKafka()
const { bootstrap } = broker
const PARTITIONS = 3

after(() => broker[Symbol.asyncDispose]())

/** A topic of this test's own, so that a shared broker does not matter. */
async function open(): Promise<OpenedSource> {
  const topic = `conformance-${randomUUID()}`
  const client = new KafkaClient({ brokers: [bootstrap] })
  await new KafkaAdmin(client).createTopic(topic, PARTITIONS, {})
  const records: string[] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const producer = new PartitionProducer(client)
    for (let part = 0; part < 8; part++) {
      const values = Array.from({ length: 40 }, (_, at) => JSON.stringify({ partition, seq: part * 40 + at }))
      await producer.send(
        { topic, partition },
        values.map((value) => ({ value: Buffer.from(value) })),
      )
      records.push(...values)
    }
  }
  const options = {
    brokers: [bootstrap],
    topics: [topic],
    end: 'latest',
    properties: { 'max.partition.fetch.bytes': '3000' },
  }
  const source = new KafkaSource(kafkaSourceOptions.parse(options))
  return {
    records,
    enumerator: () => source.enumerator(),
    reader: () => source.reader(testLaneContext()),
    refused: (splits) => {
      const at = (offset: string): typeof splits => splits.map((split) => ({ ...split, at: { ...split.at, offset } }))
      const recreated = splits.map((split) => ({ ...split, spec: { ...split.spec, topicId: randomUUID() } }))
      return [
        { splits: at('1000000'), code: 'POSITION_AHEAD' },
        { splits: recreated, code: 'POSITION_LOST' },
      ]
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

sourceSuite('Kafka', open)
