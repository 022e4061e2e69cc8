import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { retentionMs } from '../../core/preflight-rules.ts'
import { KafkaAdmin, type KafkaClient } from '../../clients/kafka/index.ts'
import type { KafkaSourceOptions } from './options.ts'

/** Reachability, topics, and whether the brokers keep records long enough for the longest downtime. */
export async function checkKafka(
  options: KafkaSourceOptions,
  client: KafkaClient,
  context: PreflightContext,
): Promise<readonly Finding[]> {
  try {
    const topics =
      options.topics === undefined
        ? await client.topicsMatching(options.topicPattern ?? '')
        : await client.topics(options.topics)
    const admin = new KafkaAdmin(client)
    const found = await Promise.all(topics.map((topic) => checkRetention(topic.name, admin, context)))
    return [...noTopics(topics.length, options), ...found.flat()]
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path: ['brokers'] }]
  }
}

function noTopics(count: number, { topicPattern }: KafkaSourceOptions): Finding[] {
  if (count > 0 || topicPattern === undefined) return []
  const message = `no topic matches ${topicPattern} yet`
  return [
    { severity: 'warning', code: 'PREFLIGHT', message, hint: 'It is read once it appears.', path: ['topicPattern'] },
  ]
}

async function checkRetention(topic: string, admin: KafkaAdmin, context: PreflightContext): Promise<Finding[]> {
  const configs = await admin.topicConfigs(topic)
  const kept = Number(configs.get('retention.ms') ?? -1)
  const needed = retentionMs(context.times)
  if (kept < 0 || kept >= needed || !(configs.get('cleanup.policy') ?? 'delete').includes('delete')) return []
  return [
    {
      severity: 'error',
      code: 'PREFLIGHT',
      message: `Kafka topic ${topic} keeps records for ${kept / 1000} s (retention.ms); ${needed / 1000} s are needed`,
      hint: 'Raise retention.ms of the topic, or lower checkpoint.maxDowntime.',
      path: ['topics'],
    },
  ]
}
