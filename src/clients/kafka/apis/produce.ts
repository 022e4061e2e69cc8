import type { KafkaApi } from '../api.ts'

export interface ProduceRequest {
  readonly transactionalId: string | null
  readonly timeoutMs: number
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partition: number; readonly batches: Buffer }[]
  }[]
}

export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** Offset of the first record of the request. */
  readonly baseOffset: bigint
  readonly message: string | null
}

/** Produce v9 with acks = all: the newest that keeps the client out of "transactions version 2" (KIP-890) is 11. */
export const produce: KafkaApi<ProduceRequest, ProducedPartition[]> = {
  name: 'Produce',
  key: 0,
  version: 9,
  write(writer, request) {
    writer.string(request.transactionalId).int16(-1).int32(request.timeoutMs)
    writer.array(request.topics, (topic) => {
      writer.string(topic.name)
      writer.array(topic.partitions, (at) => writer.int32(at.partition).bytes(at.batches).tags())
      writer.tags()
    })
    writer.tags()
  },
  read(reader) {
    const perTopic = reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const partition = reader.int32()
        const errorCode = reader.int16()
        const baseOffset = reader.int64()
        reader.int64()
        reader.int64()
        reader.array(() => {
          reader.int32()
          reader.nullableString()
          reader.tags()
        })
        const message = reader.nullableString()
        reader.tags()
        return { topic, partition, errorCode, baseOffset, message }
      })
      reader.tags()
      return partitions
    })
    return perTopic.flat()
  },
}
