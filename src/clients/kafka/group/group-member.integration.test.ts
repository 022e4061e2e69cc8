import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { useKafka } from '../../../../scripts/services/kafka.ts'
import type { KafkaApi } from '../api.ts'
import { heartbeat } from '../apis/membership.ts'
import { KafkaAdmin, KafkaClient } from '../index.ts'
import type { PartitionOf } from './consumer-protocol.ts'
import { GroupMember, type GroupMemberOptions } from './group-member.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

/** Tells how many heartbeats were answered. */
class CountingClient extends KafkaClient {
  beats = 0
  #waiting: { readonly count: number; readonly reached: () => void } | undefined

  override async call<Request, Response>(
    nodeId: number,
    api: KafkaApi<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const answer = await super.call(nodeId, api, request)
    if (api.key === heartbeat.key) this.beats++
    if (this.#waiting !== undefined && this.beats >= this.#waiting.count) this.#waiting.reached()
    return answer
  }

  async untilBeats(more: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting = { count: this.beats + more, reached: resolve }
    await promise
  }
}

async function options(changes: Partial<GroupMemberOptions>): Promise<GroupMemberOptions> {
  const topic = `member-${randomUUID()}`
  await using client = new KafkaClient({ brokers: [bootstrap] })
  await new KafkaAdmin(client).createTopic(topic, 2)
  const times = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 10_000, heartbeatMs: 20, discoveryMs: 60_000 }
  const nothing = { onAssigned: async () => undefined, onRevoked: async () => undefined, onLost: () => undefined }
  return { group: randomUUID(), topics: [topic], ...times, ...nothing, ...changes }
}

test('a member that takes long to begin its partitions is heard by the group meanwhile', async () => {
  await using client = new CountingClient({ brokers: [bootstrap] })
  const stop = new AbortController()
  const given: PartitionOf[] = []
  const member = new GroupMember(
    client,
    await options({
      async onAssigned(partitions) {
        await client.untilBeats(3)
        given.push(...partitions)
        stop.abort()
      },
    }),
  )
  await member.run(stop.signal)
  assert.deepEqual(
    given.map(({ partition }) => partition).toSorted((one, other) => one - other),
    [0, 1],
  )
})

test('partitions that a member could not begin are given to it again', async () => {
  await using client = new KafkaClient({ brokers: [bootstrap] })
  const stop = new AbortController()
  let begun = 0
  const member = new GroupMember(
    client,
    await options({
      async onAssigned(partitions) {
        assert.equal(partitions.length, 2)
        // An error that passes, as while another one's transaction is open.
        if (++begun < 3) await client.call(-77, heartbeat, { group: '', generation: 0, memberId: '', instanceId: null })
        stop.abort()
      },
    }),
  )
  await member.run(stop.signal)
  assert.equal(begun, 3)
})
