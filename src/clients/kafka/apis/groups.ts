import type { KafkaApi } from '../api.ts'

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** Next offset to read. */
  readonly offset: bigint
}

export interface OffsetCommitRequest {
  readonly group: string
  readonly offsets: readonly GroupOffset[]
}

/** OffsetCommit v8 from outside of the group's membership. Answers one error code per partition. */
export const offsetCommit: KafkaApi<OffsetCommitRequest, { topic: string; partition: number; errorCode: number }[]> = {
  name: 'OffsetCommit',
  key: 8,
  version: 8,
  write(writer, { group, offsets }) {
    writer.string(group).int32(-1).string('').string(null)
    writer.array([...Map.groupBy(offsets, ({ topic }) => topic)], ([topic, members]) => {
      writer.string(topic)
      writer.array(members, (at) => writer.int32(at.partition).int64(at.offset).int32(-1).string(null).tags())
      writer.tags()
    })
    writer.tags()
  },
  read(reader) {
    reader.int32()
    const perTopic = reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const result = { topic, partition: reader.int32(), errorCode: reader.int16() }
        reader.tags()
        return result
      })
      reader.tags()
      return partitions
    })
    return perTopic.flat()
  },
}

/** OffsetFetch v7: what a group has committed, for all its partitions. -1 where nothing is. */
export const offsetFetch: KafkaApi<string, { readonly errorCode: number; readonly offsets: GroupOffset[] }> = {
  name: 'OffsetFetch',
  key: 9,
  version: 7,
  write(writer, group) {
    writer.string(group).array(null, () => undefined)
    writer.boolean(false).tags()
  },
  read(reader) {
    reader.int32()
    const perTopic = reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const found = { topic, partition: reader.int32(), offset: reader.int64() }
        reader.int32()
        reader.nullableString()
        reader.int16()
        reader.tags()
        return found
      })
      reader.tags()
      return partitions
    })
    return { errorCode: reader.int16(), offsets: perTopic.flat() }
  },
}
