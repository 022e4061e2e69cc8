import type { KafkaApi } from '../api.ts'
import type { RequestWriter, ResponseReader } from '../wire.ts'

export interface TopicResult {
  readonly name: string
  readonly errorCode: number
  readonly message: string | null
}

export interface CreateTopicRequest {
  readonly name: string
  readonly partitions: number
  /** -1: the broker's default. */
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** CreateTopics v7, for one topic. */
export const createTopics: KafkaApi<CreateTopicRequest, TopicResult[]> = {
  name: 'CreateTopics',
  key: 19,
  version: 7,
  write(writer, request) {
    writer.array([request], (topic) => {
      writer.string(topic.name).int32(topic.partitions).int16(topic.replicationFactor)
      writer.array([], () => undefined)
      writer.array(Object.entries(topic.configs), ([name, value]) => writer.string(name).string(value).tags())
      writer.tags()
    })
    writer.int32(request.timeoutMs).boolean(false).tags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const name = reader.string()
      reader.uuid()
      const result = { name, errorCode: reader.int16(), message: reader.nullableString() }
      reader.int32()
      reader.int16()
      reader.array(() => {
        reader.string()
        reader.nullableString()
        reader.boolean()
        reader.int8()
        reader.boolean()
        reader.tags()
      })
      reader.tags()
      return result
    })
  },
}

/** DeleteTopics v6, for one topic by name. */
export const deleteTopics: KafkaApi<{ readonly name: string; readonly timeoutMs: number }, TopicResult[]> = {
  name: 'DeleteTopics',
  key: 20,
  version: 6,
  write(writer, { name, timeoutMs }) {
    writer.array([name], () => writer.string(name).uuid('00000000-0000-0000-0000-000000000000').tags())
    writer.int32(timeoutMs).tags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const name = reader.nullableString() ?? ''
      reader.uuid()
      return readResult(reader, name)
    })
  },
}

/** CreatePartitions v3: raises a topic's number of partitions to `partitions`. */
export const createPartitions: KafkaApi<
  { readonly name: string; readonly partitions: number; readonly timeoutMs: number },
  TopicResult[]
> = {
  name: 'CreatePartitions',
  key: 37,
  version: 3,
  write(writer, { name, partitions, timeoutMs }) {
    writer.array([name], () =>
      writer
        .string(name)
        .int32(partitions)
        .array(null, () => undefined)
        .tags(),
    )
    writer.int32(timeoutMs).boolean(false).tags()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => readResult(reader, reader.string()))
  },
}

export interface DeleteRecordsRequest {
  readonly topic: string
  readonly partition: number
  /** Records before this offset go; -1: all up to the high watermark. */
  readonly before: bigint
  readonly timeoutMs: number
}

/** DeleteRecords v2, for one partition; sent to its leader. Answers the new first offset. */
export const deleteRecords: KafkaApi<DeleteRecordsRequest, { readonly errorCode: number; readonly logStart: bigint }> =
  {
    name: 'DeleteRecords',
    key: 21,
    version: 2,
    write(writer, request) {
      writer.array([request], ({ topic, partition, before }) => {
        writer.string(topic)
        writer.array([partition], () => writer.int32(partition).int64(before).tags())
        writer.tags()
      })
      writer.int32(request.timeoutMs).tags()
    },
    read(reader) {
      reader.int32()
      const perTopic = reader.array(() => {
        reader.string()
        const partitions = reader.array(() => {
          reader.int32()
          const logStart = reader.int64()
          const result = { errorCode: reader.int16(), logStart }
          reader.tags()
          return result
        })
        reader.tags()
        return partitions
      })
      return perTopic.flat()[0] ?? { errorCode: -1, logStart: -1n }
    },
  }

export interface DescribedConfigs {
  readonly errorCode: number
  readonly message: string | null
  readonly values: ReadonlyMap<string, string | null>
}

/** DescribeConfigs v4, for one topic or broker; that of a broker is sent to itself, by its node id as text. */
export const describeConfigs: KafkaApi<
  { readonly kind: 'topic' | 'broker'; readonly name: string; readonly names: readonly string[] | null },
  DescribedConfigs
> = {
  name: 'DescribeConfigs',
  key: 32,
  version: 4,
  write(writer: RequestWriter, { kind, name: resource, names }) {
    writer.array([resource], () => {
      writer.int8(kind === 'topic' ? 2 : 4).string(resource)
      writer.array(names, (name) => writer.string(name))
      writer.tags()
    })
    writer.boolean(false).boolean(false).tags()
  },
  read(reader) {
    reader.int32()
    const results = reader.array(() => {
      const errorCode = reader.int16()
      const message = reader.nullableString()
      reader.int8()
      reader.string()
      const values = new Map(reader.array(() => readConfig(reader)))
      reader.tags()
      return { errorCode, message, values }
    })
    return results[0] ?? { errorCode: -1, message: 'an empty answer', values: new Map() }
  },
}

function readConfig(reader: ResponseReader): [string, string | null] {
  const entry: [string, string | null] = [reader.string(), reader.nullableString()]
  reader.boolean()
  reader.int8()
  reader.boolean()
  reader.array(() => {
    reader.string()
    reader.nullableString()
    reader.int8()
    reader.tags()
  })
  reader.int8()
  reader.nullableString()
  reader.tags()
  return entry
}

function readResult(reader: ResponseReader, name: string): TopicResult {
  const result = { name, errorCode: reader.int16(), message: reader.nullableString() }
  reader.tags()
  return result
}
