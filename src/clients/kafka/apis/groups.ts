import type { KafkaApi } from '../api.ts'

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** Next offset to read. */
  readonly offset: bigint
}

/** Who commits: a member of the group's current generation, or `OUTSIDE`. */
export interface GroupMembership {
  readonly generation: number
  readonly memberId: string
  /** Of a static member. */
  readonly instanceId: string | null
}

/** Whoever is no member; refused while the group has members. */
export const OUTSIDE: GroupMembership = { generation: -1, memberId: '', instanceId: null }

export interface OffsetCommitRequest {
  readonly group: string
  readonly member: GroupMembership
  readonly offsets: readonly GroupOffset[]
}

/** OffsetCommit v8. Answers one error code per partition. */
export const offsetCommit: KafkaApi<OffsetCommitRequest, { topic: string; partition: number; errorCode: number }[]> = {
  name: 'OffsetCommit',
  key: 8,
  version: 8,
  write(writer, { group, member, offsets }) {
    writer.string(group).int32(member.generation).string(member.memberId).string(member.instanceId)
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

export interface OffsetFetchRequest {
  readonly group: string
  /** Refuses offsets that a transaction which is still open may replace (UNSTABLE_OFFSET_COMMIT). */
  readonly isStable: boolean
}

/** OffsetFetch v7: what a group has committed, for all its partitions. -1 where nothing is. */
export const offsetFetch: KafkaApi<
  OffsetFetchRequest,
  { readonly errorCode: number; readonly offsets: (GroupOffset & { readonly errorCode: number })[] }
> = {
  name: 'OffsetFetch',
  key: 9,
  version: 7,
  write(writer, { group, isStable }) {
    writer.string(group).array(null, () => undefined)
    writer.boolean(isStable).tags()
  },
  read(reader) {
    reader.int32()
    const perTopic = reader.array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const found = { topic, partition: reader.int32(), offset: reader.int64() }
        reader.int32()
        reader.nullableString()
        const errorCode = reader.int16()
        reader.tags()
        return { ...found, errorCode }
      })
      reader.tags()
      return partitions
    })
    return { errorCode: reader.int16(), offsets: perTopic.flat() }
  },
}
