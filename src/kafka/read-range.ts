import { BatchCursor, FetchSession, type KafkaClient, type TopicPartition } from '../clients/kafka/index.ts'
import { decodeMessages, messagesOf, type ConsumedMessage } from './consumed-message.ts'
import { keyOf } from './partition-work.ts'

/** What to read of a partition: from an offset up to, and without, another one. */
export interface PartitionRange extends TopicPartition {
  readonly from: bigint
  readonly to: bigint
}

/** Reads ranges to their ends, outside of any group, one partition after the other. */
export async function* readRange(
  client: KafkaClient,
  ranges: readonly PartitionRange[],
): AsyncGenerator<readonly ConsumedMessage[]> {
  const wanted = ranges.filter(({ from, to }) => from < to)
  const topics = wanted.length === 0 ? [] : await client.topics([...new Set(wanted.map(({ topic }) => topic))])
  const ids = new Map(topics.map(({ name, topicId }) => [name, topicId]))
  const cursor = new BatchCursor()
  for (const { topic, partition, from, to } of wanted) {
    await using session = new FetchSession(client)
    session.assign([{ topic, partition, topicId: ids.get(topic) ?? '', offset: from }])
    for (let at = from; at < to;) {
      const response = await session.poll()
      const fetched = response?.partitions.find((one) => keyOf(one) === keyOf({ topic, partition }))
      const messages = fetched === undefined ? [] : messagesOf(decodeMessages(fetched, cursor))
      at = fetched?.next ?? at
      response?.release()
      const inside = messages.filter(({ offset }) => offset < to)
      if (inside.length > 0) yield inside
    }
  }
}
