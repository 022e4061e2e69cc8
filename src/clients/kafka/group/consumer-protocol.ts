import { ResponseReader, RequestWriter } from '../wire.ts'

/**
 * What members and the leader tell each other (Kafka's ConsumerProtocol, in the old encoding): subscription version 1 is
 * `topics, user data, owned partitions`, assignment version 0 is `partitions by topic, user data`.
 */
export interface Subscription {
  readonly topics: readonly string[]
  readonly owned: readonly PartitionOf[]
}

export interface PartitionOf {
  readonly topic: string
  readonly partition: number
}

export function encodeSubscription({ topics, owned }: Subscription): Buffer {
  const writer = new RequestWriter().int16(1).int32(topics.length)
  for (const topic of topics) writer.legacyString(topic)
  writer.int32(-1)
  return joined(writePartitions(writer, owned))
}

export function decodeSubscription(bytes: Buffer): Subscription {
  const reader = new ResponseReader(bytes)
  const version = reader.int16()
  const topics = reader.legacyArray(() => reader.legacyString())
  skipUserData(reader)
  return { topics, owned: version >= 1 ? readPartitions(reader) : [] }
}

export function encodeAssignment(partitions: readonly PartitionOf[]): Buffer {
  return joined(writePartitions(new RequestWriter().int16(0), partitions).int32(-1))
}

/** An empty answer is an assignment of nothing. */
export function decodeAssignment(bytes: Buffer): PartitionOf[] {
  if (bytes.length === 0) return []
  const reader = new ResponseReader(bytes)
  reader.int16()
  return readPartitions(reader)
}

function writePartitions(writer: RequestWriter, partitions: readonly PartitionOf[]): RequestWriter {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
  writer.int32(byTopic.size)
  for (const [topic, members] of byTopic) {
    writer.legacyString(topic).int32(members.length)
    for (const { partition } of members) writer.int32(partition)
  }
  return writer
}

function readPartitions(reader: ResponseReader): PartitionOf[] {
  return reader
    .legacyArray(() => {
      const topic = reader.legacyString()
      return reader.legacyArray(() => ({ topic, partition: reader.int32() }))
    })
    .flat()
}

function skipUserData(reader: ResponseReader): void {
  for (let left = reader.int32(); left > 0; left--) reader.int8()
}

function joined(writer: RequestWriter): Buffer {
  return Buffer.concat(writer.finish())
}
