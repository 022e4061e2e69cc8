import { test } from 'node:test'
import { campaign } from './kit/campaign.ts'
import { Broker } from './kit/topic.ts'

test('a job from Kafka to files loses and doubles nothing with files and checkpoints on S3, wherever it is killed', async (t) => {
  await using broker = await Broker.open()
  await campaign(t, broker, 'files-s3', { flow: 3, finish: 1, random: 1 })
})
