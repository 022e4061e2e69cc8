import type { KafkaApi } from '../api.ts'
import type { GroupMembership } from './groups.ts'

export interface JoinGroupRequest extends Omit<GroupMembership, 'generation'> {
  readonly group: string
  /** A member that is not heard for so long is excluded. */
  readonly sessionTimeoutMs: number
  /** How long the coordinator waits for the others to join again. */
  readonly rebalanceTimeoutMs: number
  readonly protocol: string
  /** What the leader is told about this member. */
  readonly metadata: Buffer
}

export interface JoinedMember {
  readonly memberId: string
  readonly metadata: Buffer
}

export interface JoinGroupResponse {
  readonly errorCode: number
  readonly generation: number
  readonly leaderId: string
  readonly memberId: string
  /** Only for the leader. */
  readonly members: readonly JoinedMember[]
}

/** JoinGroup v6. The first answer may be MEMBER_ID_REQUIRED, with the id to ask again with (KIP-394). */
export const joinGroup: KafkaApi<JoinGroupRequest, JoinGroupResponse> = {
  name: 'JoinGroup',
  key: 11,
  version: 6,
  write(writer, request) {
    writer.string(request.group).int32(request.sessionTimeoutMs).int32(request.rebalanceTimeoutMs)
    writer.string(request.memberId).string(request.instanceId).string('consumer')
    writer.array([request], ({ protocol, metadata }) => writer.string(protocol).bytes(metadata).tags())
    writer.tags()
  },
  read(reader) {
    reader.int32()
    const answer = { errorCode: reader.int16(), generation: reader.int32() }
    reader.string()
    const leaderId = reader.string()
    const memberId = reader.string()
    const members = reader.array(() => {
      const id = reader.string()
      reader.nullableString()
      const member = { memberId: id, metadata: Buffer.from(reader.bytes()) }
      reader.tags()
      return member
    })
    return { ...answer, leaderId, memberId, members }
  },
}

export interface SyncGroupRequest extends GroupMembership {
  readonly group: string
  /** From the leader; the others send none. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}

/** SyncGroup v4: every member hears what the leader gave it. */
export const syncGroup: KafkaApi<SyncGroupRequest, { readonly errorCode: number; readonly assignment: Buffer }> = {
  name: 'SyncGroup',
  key: 14,
  version: 4,
  write(writer, request) {
    writer.string(request.group).int32(request.generation).string(request.memberId).string(request.instanceId)
    writer.array(request.assignments, ({ memberId, assignment }) => writer.string(memberId).bytes(assignment).tags())
    writer.tags()
  },
  read(reader) {
    reader.int32()
    return { errorCode: reader.int16(), assignment: Buffer.from(reader.bytes()) }
  },
}

/** Heartbeat v4. */
export const heartbeat: KafkaApi<GroupMembership & { readonly group: string }, number> = {
  name: 'Heartbeat',
  key: 12,
  version: 4,
  write(writer, { group, generation, memberId, instanceId }) {
    writer.string(group).int32(generation).string(memberId).string(instanceId).tags()
  },
  read(reader) {
    reader.int32()
    return reader.int16()
  },
}

/** LeaveGroup v4, for one member. */
export const leaveGroup: KafkaApi<Omit<GroupMembership, 'generation'> & { readonly group: string }, number> = {
  name: 'LeaveGroup',
  key: 13,
  version: 4,
  write(writer, { group, memberId, instanceId }) {
    writer.string(group)
    writer.array([memberId], (id) => writer.string(id).string(instanceId).tags())
    writer.tags()
  },
  read(reader) {
    reader.int32()
    return reader.int16()
  },
}
