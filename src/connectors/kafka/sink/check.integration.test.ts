import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { useKafka } from '../../../../scripts/services/kafka.ts'
import type { CheckpointTimes } from '../../../core/context.ts'
import type { Finding } from '../../../core/checkpoint-types.ts'
import { KafkaTarget } from '../../../testkit/kafka-target.ts'
import { testSourceContext } from '../../../testkit/lane-context.ts'
import { kafkaSinkOptions } from './options.ts'
import { KafkaSink } from './sink.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

const TIMES: CheckpointTimes = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 120_000, retained: 3 }

async function check(options: object, times: CheckpointTimes = TIMES): Promise<readonly Finding[]> {
  const sink = new KafkaSink(kafkaSinkOptions.parse({ brokers: [bootstrap], ...options }))
  return await sink.check({ ...testSourceContext(), times, schema: undefined, lanes: 1 })
}

const errors = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity === 'error').map(({ message }) => message)

test('a topic on brokers that let transactions stay open long enough is fit', async () => {
  await using target = await KafkaTarget.create(bootstrap, 1)
  const findings = await check({ topic: target.topic })
  assert.deepEqual(errors(findings), [])
  assert.ok(findings.some(({ code }) => code === 'SAFE_DOWNTIME'))
  assert.ok(findings.some(({ severity, message }) => severity === 'warning' && /min\.insync\.replicas/.test(message)))
})

test('a downtime that no transaction survives is refused, with the figures', async () => {
  await using target = await KafkaTarget.create(bootstrap, 1)
  const long = { ...TIMES, maxDowntimeMs: 24 * 3_600_000 }
  const [broker = ''] = errors(await check({ topic: target.topic }, long))
  assert.match(broker, /stay open for 86770s; the brokers allow .*transaction\.max\.timeout\.ms/)
  const [own = ''] = errors(await check({ topic: target.topic, transactionTimeout: '1m' }))
  assert.match(own, /end after 1m; 490s are needed/)
})

test('a compacted topic without keys and a topic that is missing are refused', async () => {
  await using target = await KafkaTarget.create(bootstrap, 1, { 'cleanup.policy': 'compact' })
  assert.match(errors(await check({ topic: target.topic })).join(), /records need keys/)
  assert.deepEqual(errors(await check({ topic: target.topic, key: 'id' })), [])
  assert.match(errors(await check({ topic: `${target.topic}-missing` })).join(), /UNKNOWN_TOPIC_OR_PARTITION/)
})
