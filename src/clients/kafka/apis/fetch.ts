import type { KafkaApi } from '../api.ts'

export interface FetchRequest {
  readonly isolation: 'committed' | 'uncommitted'
  readonly waitMs: number
  readonly bytesMin: number
  readonly bytesMax: number
  readonly partitionBytesMax: number
  readonly topics: readonly {
    readonly topicId: string
    readonly partitions: readonly {
      readonly partition: number
      readonly offset: bigint
      readonly leaderEpoch: number
    }[]
  }[]
}

/** Records of `producerId` from `firstOffset` up to its next abort marker were rolled back. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

export interface FetchedPartitionData {
  readonly topicId: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches as they lie in the log; a view into the response buffer. */
  readonly records: Buffer
}

export interface FetchResponse {
  readonly errorCode: number
  readonly partitions: readonly FetchedPartitionData[]
}

/** Fetch v13: by topic id, without a fetch session, as a consumer. */
export const fetchRecords: KafkaApi<FetchRequest, FetchResponse> = {
  name: 'Fetch',
  key: 1,
  version: 13,
  write(writer, request) {
    writer.int32(-1).int32(request.waitMs).int32(request.bytesMin).int32(request.bytesMax)
    writer.int8(request.isolation === 'committed' ? 1 : 0)
    writer.int32(0).int32(-1) // session id and epoch of a request without session
    writer.array(request.topics, (topic) => {
      writer.uuid(topic.topicId)
      writer.array(topic.partitions, (at) => {
        writer.int32(at.partition).int32(at.leaderEpoch).int64(at.offset)
        writer.int32(-1).int64(-1n).int32(request.partitionBytesMax).tags()
      })
      writer.tags()
    })
    writer.uvarint(1).string('').tags() // no forgotten topics, no rack
  },
  read(reader) {
    reader.int32()
    const errorCode = reader.int16()
    reader.int32()
    const perTopic = reader.array(() => {
      const topicId = reader.uuid()
      const partitions = reader.array((): FetchedPartitionData => {
        const partition = reader.int32()
        const partitionError = reader.int16()
        const highWatermark = reader.int64()
        const lastStableOffset = reader.int64()
        const logStartOffset = reader.int64()
        const aborted = reader.array(() => {
          const transaction = { producerId: reader.int64(), firstOffset: reader.int64() }
          reader.tags()
          return transaction
        })
        reader.int32() // preferred read replica: only sent to clients that name a rack
        const records = reader.bytes()
        reader.tags()
        return {
          topicId,
          partition,
          errorCode: partitionError,
          highWatermark,
          lastStableOffset,
          logStartOffset,
          aborted,
          records,
        }
      })
      reader.tags()
      return partitions
    })
    return { errorCode, partitions: perTopic.flat() }
  },
}
