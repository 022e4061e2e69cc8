import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { retentionMs, safeDowntimeFindings, type Expiry } from '../../core/preflight-rules.ts'
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
    const kept = (await Promise.all(topics.map((topic) => retentionOf(topic.name, admin)))).flat()
    return [
      ...noTopics(topics.length, options),
      ...kept.flatMap((one) => checkRetention(one, context)),
      ...safeDowntimeFindings(context.times, kept.map(expiryOf)),
    ]
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

interface Retention {
  readonly topic: string
  readonly keptMs: number
}

/** Empty where records are kept for ever, or until a newer one of their key comes. */
async function retentionOf(topic: string, admin: KafkaAdmin): Promise<Retention[]> {
  const configs = await admin.topicConfigs(topic)
  const keptMs = Number(configs.get('retention.ms') ?? -1)
  return keptMs < 0 || !(configs.get('cleanup.policy') ?? 'delete').includes('delete') ? [] : [{ topic, keptMs }]
}

function expiryOf({ topic, keptMs }: Retention): Expiry {
  return { what: `records of ${topic} (retention.ms)`, kind: 'retention', lifeMs: keptMs }
}

function checkRetention({ topic, keptMs }: Retention, { times }: PreflightContext): Finding[] {
  const needed = retentionMs(times)
  if (keptMs >= needed) return []
  return [
    {
      severity: 'error',
      code: 'PREFLIGHT',
      message: `Kafka topic ${topic} keeps records for ${keptMs / 1000} s (retention.ms); ${needed / 1000} s are needed`,
      hint: 'Raise retention.ms of the topic, or lower checkpoint.maxDowntime.',
      path: ['topics'],
    },
  ]
}
