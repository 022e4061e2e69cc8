import type { KafkaApi } from '../api.ts'

export interface ListOffsetsRequest {
  /** `committed` makes the latest offset the last stable one: nothing of an open transaction lies below it. */
  readonly isolation: 'committed' | 'uncommitted'
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partition: number; readonly timestamp: bigint }[]
  }[]
}

export interface ListedOffset {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** -1 when a timestamp was asked for and no record is that young. */
  readonly offset: bigint
  readonly timestamp: bigint
}

/** ListOffsets v7. Timestamps -2 and -1 mean earliest and latest. */
export const listOffsets: KafkaApi<ListOffsetsRequest, ListedOffset[]> = {
  name: 'ListOffsets',
  key: 2,
  version: 7,
  write(writer, request) {
    writer.int32(-1).int8(request.isolation === 'committed' ? 1 : 0)
    writer.array(request.topics, (topic) => {
      writer.string(topic.name)
      writer.array(topic.partitions, (at) => writer.int32(at.partition).int32(-1).int64(at.timestamp).tags())
      writer.tags()
    })
    writer.tags()
  },
  read(reader) {
    reader.int32()
    const perTopic = reader.array(() => {
      const topic = reader.string()
      const listed = reader.array(() => {
        const partition = reader.int32()
        const errorCode = reader.int16()
        const timestamp = reader.int64()
        const offset = reader.int64()
        reader.int32()
        reader.tags()
        return { topic, partition, errorCode, offset, timestamp }
      })
      reader.tags()
      return listed
    })
    return perTopic.flat()
  },
}
