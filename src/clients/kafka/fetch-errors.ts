import { MillraceError } from '../../core/errors.ts'
import type { DescribedTopic, KafkaClient } from './client.ts'
import type { FetchPosition } from './fetch-session.ts'
import { KAFKA, kafkaError } from './kafka-errors.ts'

/** Codes that may mean that a topic was deleted or re-created, or only that its broker has not heard of it yet. */
export function isTopicInDoubt(code: number): boolean {
  return (
    code === KAFKA.UNKNOWN_TOPIC_ID || code === KAFKA.INCONSISTENT_TOPIC_ID || code === KAFKA.UNKNOWN_TOPIC_OR_PARTITION
  )
}

/**
 * Why an offset is not served: older records were deleted (`POSITION_LOST`), or the log ends before it
 * (`POSITION_AHEAD`). Where to go on instead is for a person to decide.
 */
export async function explainOutOfRange(client: KafkaClient, position: FetchPosition): Promise<MillraceError> {
  const { topic, partition, offset } = position
  const recreated = await findRecreated(client, position)
  if (recreated !== undefined) return recreated
  const at = [{ topic, partition }]
  const [start = 0n] = await client.listOffsets(at, 'earliest', 'uncommitted')
  const [end = 0n] = await client.listOffsets(at, 'latest', 'uncommitted')
  const detail = { topic, partition, offset: String(offset), start: String(start), end: String(end) }
  const served = `Kafka serves offsets ${start} to ${end}`
  const where = `reading ${topic} partition ${partition} at offset ${offset}`
  if (offset < start) {
    const message = `${where}: ${served}; ${start - offset} records were deleted before they were read (retention.ms, retention.bytes)`
    return new MillraceError(message, { code: 'POSITION_LOST', detail })
  }
  if (offset > end) {
    const message = `${where}: ${served}; the position lies ${offset - end} records behind the end, so the log was truncated`
    return new MillraceError(message, { code: 'POSITION_AHEAD', detail })
  }
  // In range after all: the answer came from a replica that lagged behind, or the range moved meanwhile.
  return kafkaError(KAFKA.OFFSET_NOT_AVAILABLE, where, detail)
}

/** Throws `POSITION_LOST` when the topic is gone or has another id; a retryable error when the broker only lags behind. */
export async function explainTopic(client: KafkaClient, position: FetchPosition, code: number): Promise<never> {
  const recreated = await findRecreated(client, position)
  if (recreated !== undefined) throw recreated
  const { topic, partition } = position
  throw new MillraceError(`reading ${topic} partition ${partition}: its broker does not know the topic yet`, {
    code: 'UNAVAILABLE',
    retry: 'retry',
    detail: { topic, partition, kafka: code },
  })
}

async function findRecreated(client: KafkaClient, position: FetchPosition): Promise<MillraceError | undefined> {
  const [found] = await client.describeTopics([position.topic])
  return checkTopic(found, position)
}

/** `POSITION_LOST` when the topic that a position belongs to is gone; `detail.reason` says `deleted` or `re-created`. */
export function checkTopic(found: DescribedTopic | undefined, position: FetchPosition): MillraceError | undefined {
  const { topic, topicId, partition, offset } = position
  const detail = { topic, partition, offset: String(offset), topicId }
  const where = `reading ${topic} partition ${partition} at offset ${offset}`
  if (found === undefined || 'errorCode' in found) {
    const code = found?.errorCode ?? KAFKA.UNKNOWN_TOPIC_OR_PARTITION
    if (code !== KAFKA.UNKNOWN_TOPIC_OR_PARTITION) return kafkaError(code, where, detail)
    return new MillraceError(`${where}: the topic was deleted`, {
      code: 'POSITION_LOST',
      detail: { ...detail, reason: 'deleted' },
    })
  }
  if (found.topicId === topicId) return undefined
  const message = `${where}: the topic was re-created (its id was ${topicId} and is ${found.topicId}), so the offset means nothing in it`
  return new MillraceError(message, {
    code: 'POSITION_LOST',
    detail: { ...detail, reason: 're-created', foundTopicId: found.topicId },
  })
}

/** Whether an error says that a topic is another one or gone, which a broker that lags behind may say wrongly for a moment. */
export function isTopicGone(error: MillraceError): boolean {
  return error.code === 'POSITION_LOST' && error.detail['reason'] !== undefined
}
