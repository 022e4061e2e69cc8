import { test } from 'node:test'
import { campaign } from './kit/campaign.ts'
import { Broker } from './kit/topic.ts'

test('a job from Kafka to hudi loses and doubles nothing with table and checkpoints on S3, wherever it is killed', async (t) => {
  await using broker = await Broker.open()
  await campaign(t, broker, 'hudi-s3', { flow: 4, finish: 1, random: 1 })
})
