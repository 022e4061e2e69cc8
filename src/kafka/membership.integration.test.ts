/** Members of a group that come, go, hang, and meet others of their name. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { useKafka } from '../../scripts/services/kafka.ts'
import { type Consumer } from './index.ts'
import { numbered, QUICK, until, TestCluster } from './testing/test-cluster.ts'

const cluster = TestCluster.ofThisFile(await useKafka())

test('with members that come and go nothing is lost, and nothing is handled by two at the same time', async () => {
  const topic = await cluster.topic(8)
  const group = randomUUID()
  const handled = new Map<string, number>()
  const owners = new Map<string, Consumer>()
  const live = new Map<Consumer, Promise<void>>()
  const start = (): void => {
    const member = cluster.consumer([topic], { group, concurrency: 4 })
    const running = member.each(async (message) => {
      const place = `${message.partition}`
      const owner = owners.get(place)
      assert.ok(owner === undefined || owner === member, `partition ${place} is worked on by two`)
      owners.set(place, member)
      await pause(1)
      owners.delete(place)
      handled.set(message.text(), (handled.get(message.text()) ?? 0) + 1)
    })
    live.set(member, running)
  }
  let sent = 0
  const send = async (count: number): Promise<void> => {
    await cluster.fill(numbered(topic, count, sent))
    sent += count
  }
  for (const action of ['join', 'join', 'leave', 'join', 'join', 'leave', 'leave'] as const) {
    if (action === 'join') start()
    else {
      const [first] = live
      assert.ok(first !== undefined)
      live.delete(first[0])
      await first[0].close()
      await first[1]
    }
    await send(200)
    await until(() => handled.size >= sent - 100, `${sent - 100} messages`)
  }
  await until(() => handled.size === sent, `all ${sent} messages`)
  for (const [member, running] of live) {
    await member.close()
    await running
  }
  // Whoever leaves in order has committed what it handled: nothing is done twice.
  assert.deepEqual(
    [...handled].filter(([, times]) => times > 1),
    [],
  )
})

test('a handler that hangs when its partition is taken away is abandoned, and its message is delivered to the next owner', async () => {
  const topic = await cluster.topic(2)
  const group = randomUUID()
  let wasAborted = false
  const hanging = cluster.consumer([topic], { group, revokeTimeoutMs: 200, concurrency: 2 })
  const running = hanging.each(async (_message, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    wasAborted = true
  })
  await until(() => hanging.assigned.length === 2, 'both partitions')
  await cluster.fill([0, 1].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => hanging.statistics.received === 2, 'both messages')
  const seen: string[] = []
  const second = cluster.consumer([topic], { group })
  const reading = second.each((message) => void seen.push(message.text()))
  await until(() => seen.length === 1, 'the message of the moved partition')
  assert.ok(wasAborted)
  await hanging.close({ deadlineMs: 50 })
  await running
  await until(() => seen.length === 2, 'the other message')
  await second.close()
  await reading
})

test('of two members with one name the later one stays, and what the earlier one still does counts for nothing', async () => {
  const topic = await cluster.topic(1)
  await cluster.fill([{ topic, value: 'only' }])
  const group = randomUUID()
  const old = cluster.consumer([topic], { group, instanceId: 'one', commit: 'none' })
  let code: unknown
  const running = old.each(async (_message, context) => {
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }))
    try {
      context.offsets()
    } catch (error) {
      code = (error as { readonly code?: string }).code
      throw error
    }
  })
  const ended = assert.rejects(running, /FENCED_INSTANCE_ID/)
  await until(() => old.statistics.received === 1, 'the message')
  const seen = await cluster.read(topic, 1, { group, instanceId: 'one', ...QUICK })
  assert.deepEqual(
    seen.map((message) => message.text()),
    ['only'],
  )
  await ended
  assert.equal(code, 'FENCED')
  await old.close()
})
