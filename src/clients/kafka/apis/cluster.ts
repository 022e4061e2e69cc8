import type { KafkaApi } from '../api.ts'

export interface ApiVersionsResponse {
  readonly errorCode: number
  readonly ranges: readonly { readonly key: number; readonly min: number; readonly max: number }[]
}

/** ApiVersions v3. Its response keeps the old header, so that any client can read it (KIP-511). */
export const apiVersions: KafkaApi<undefined, ApiVersionsResponse> = {
  name: 'ApiVersions',
  key: 18,
  version: 3,
  header: 'flexible-request',
  write(writer) {
    writer.string('millrace').string('0').tags()
  },
  read(reader) {
    const errorCode = reader.int16()
    const ranges = reader.array(() => {
      const range = { key: reader.int16(), min: reader.int16(), max: reader.int16() }
      reader.tags()
      return range
    })
    return { errorCode, ranges }
  },
}

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface MetadataTopic {
  readonly errorCode: number
  readonly name: string
  /** UUID that Kafka gives a topic when it is created: a re-created topic has another one. */
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly MetadataPartition[]
}

export interface MetadataPartition {
  readonly errorCode: number
  readonly partition: number
  /** -1 while there is none. */
  readonly leader: number
  readonly leaderEpoch: number
}

export interface MetadataResponse {
  readonly brokers: readonly BrokerAddress[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly MetadataTopic[]
}

const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

/** Metadata v12; `null` asks for all topics. Never creates a topic. */
export const metadata: KafkaApi<readonly string[] | null, MetadataResponse> = {
  name: 'Metadata',
  key: 3,
  version: 12,
  write(writer, topics) {
    writer.array(topics, (name) => writer.uuid(NO_TOPIC_ID).string(name).tags())
    writer.boolean(false).boolean(false).tags()
  },
  read(reader) {
    reader.int32()
    const brokers = reader.array(() => {
      const broker = { nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
      reader.nullableString()
      reader.tags()
      return broker
    })
    const clusterId = reader.nullableString()
    const controllerId = reader.int32()
    const topics = reader.array(() => {
      const errorCode = reader.int16()
      const topic = { errorCode, name: reader.string(), topicId: reader.uuid(), isInternal: reader.boolean() }
      const partitions = reader.array(() => {
        const partition = {
          errorCode: reader.int16(),
          partition: reader.int32(),
          leader: reader.int32(),
          leaderEpoch: reader.int32(),
        }
        for (let list = 0; list < 3; list++) reader.array(() => reader.int32())
        reader.tags()
        return partition
      })
      reader.int32()
      reader.tags()
      return { ...topic, partitions }
    })
    return { brokers, clusterId, controllerId, topics }
  },
}

export interface FindCoordinatorRequest {
  readonly kind: 'group' | 'transaction'
  readonly key: string
}

export type FindCoordinatorResponse = BrokerAddress & { readonly errorCode: number; readonly message: string | null }

/** FindCoordinator v4 for one group or transactional id. */
export const findCoordinator: KafkaApi<FindCoordinatorRequest, FindCoordinatorResponse> = {
  name: 'FindCoordinator',
  key: 10,
  version: 4,
  write(writer, request) {
    writer.int8(request.kind === 'group' ? 0 : 1)
    writer.array([request.key], (key) => writer.string(key)).tags()
  },
  read(reader) {
    reader.int32()
    const found = reader.array(() => {
      reader.string()
      const address = { nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
      const answer = { ...address, errorCode: reader.int16(), message: reader.nullableString() }
      reader.tags()
      return answer
    })
    return found[0] ?? { nodeId: -1, host: '', port: 0, errorCode: 15, message: 'no coordinator in the answer' }
  },
}
