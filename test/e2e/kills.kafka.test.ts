import { test } from 'node:test'
import { campaign } from './kit/campaign.ts'
import { Broker } from './kit/topic.ts'

test('a job from Kafka to kafka loses and doubles nothing, wherever it is killed', async (t) => {
  await using broker = await Broker.open()
  await campaign(t, broker, 'kafka', { flow: 6, finish: 2, random: 2 })
})
