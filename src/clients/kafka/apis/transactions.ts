import type { KafkaApi } from '../api.ts'
import type { ResponseReader } from '../wire.ts'
import type { GroupMembership, GroupOffset } from './groups.ts'

/** The (id, epoch) pair that Kafka fences producers with. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface InitProducerRequest {
  readonly transactionalId: string | null
  readonly timeoutMs: number
  /** Who asks again: refused when somebody else was given the id since. */
  readonly current?: ProducerIdentity | undefined
}

/**
 * InitProducerId v4. Without `current` it asks for a fresh epoch, which fences every earlier holder of the transactional
 * id and aborts what it left open. Without an id: an identity of its own, for repeats that the broker recognises.
 */
export const initProducerId: KafkaApi<InitProducerRequest, ProducerIdentity & { readonly errorCode: number }> = {
  name: 'InitProducerId',
  key: 22,
  version: 4,
  write(writer, { transactionalId, timeoutMs, current }) {
    writer.string(transactionalId).int32(timeoutMs)
    writer
      .int64(current?.producerId ?? -1n)
      .int16(current?.producerEpoch ?? -1)
      .tags()
  },
  read(reader) {
    reader.int32()
    return { errorCode: reader.int16(), producerId: reader.int64(), producerEpoch: reader.int16() }
  },
}

export interface AddPartitionsRequest extends ProducerIdentity {
  readonly transactionalId: string
  readonly topic: string
  readonly partitions: readonly number[]
}

/** AddPartitionsToTxn v3, for one topic. Answers one error code per partition. */
export const addPartitionsToTxn: KafkaApi<AddPartitionsRequest, number[]> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  version: 3,
  write(writer, request) {
    writer.string(request.transactionalId).int64(request.producerId).int16(request.producerEpoch)
    writer.array([request.topic], (topic) => {
      writer.string(topic)
      writer.array(request.partitions, (partition) => writer.int32(partition))
      writer.tags()
    })
    writer.tags()
  },
  read: partitionCodes,
}

export interface EndTxnRequest extends ProducerIdentity {
  readonly transactionalId: string
  readonly commits: boolean
}

/** EndTxn v3. Repeating it for the same outcome is answered with success until the id is initialised again. */
export const endTxn: KafkaApi<EndTxnRequest, number> = {
  name: 'EndTxn',
  key: 26,
  version: 3,
  write(writer, request) {
    writer.string(request.transactionalId).int64(request.producerId).int16(request.producerEpoch)
    writer.boolean(request.commits).tags()
  },
  read(reader) {
    reader.int32()
    return reader.int16()
  },
}

export interface AddOffsetsRequest extends ProducerIdentity {
  readonly transactionalId: string
  readonly group: string
}

/** AddOffsetsToTxn v3: the group's offsets become part of the transaction. */
export const addOffsetsToTxn: KafkaApi<AddOffsetsRequest, number> = {
  name: 'AddOffsetsToTxn',
  key: 25,
  version: 3,
  write(writer, request) {
    writer.string(request.transactionalId).int64(request.producerId).int16(request.producerEpoch)
    writer.string(request.group).tags()
  },
  read(reader) {
    reader.int32()
    return reader.int16()
  },
}

export interface TxnOffsetCommitRequest extends AddOffsetsRequest {
  readonly member: GroupMembership
  readonly offsets: readonly GroupOffset[]
}

/** TxnOffsetCommit v3, sent to the coordinator of the group. Answers one error code per partition. */
export const txnOffsetCommit: KafkaApi<TxnOffsetCommitRequest, number[]> = {
  name: 'TxnOffsetCommit',
  key: 28,
  version: 3,
  write(writer, request) {
    const { member } = request
    writer.string(request.transactionalId).string(request.group)
    writer.int64(request.producerId).int16(request.producerEpoch)
    writer.int32(member.generation).string(member.memberId).string(member.instanceId)
    writer.array([...Map.groupBy(request.offsets, ({ topic }) => topic)], ([topic, members]) => {
      writer.string(topic)
      writer.array(members, (at) => writer.int32(at.partition).int64(at.offset).int32(-1).string(null).tags())
      writer.tags()
    })
    writer.tags()
  },
  read: partitionCodes,
}

/** The body of both answers: throttle time, then an error code for each partition of each topic. */
function partitionCodes(reader: ResponseReader): number[] {
  reader.int32()
  const perTopic = reader.array(() => {
    reader.string()
    const codes = reader.array(() => {
      reader.int32()
      const code = reader.int16()
      reader.tags()
      return code
    })
    reader.tags()
    return codes
  })
  return perTopic.flat()
}
