import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { useKafka } from '../../scripts/services/kafka.ts'
import {
  DEAD_LETTER_HEADERS,
  redriven,
  runTogether,
  type Consumer,
  type ConsumerOptions,
  type Message,
} from './index.ts'
import { TestCluster } from './testing/shared-broker.ts'

const broker = await useKafka()
const cluster = new TestCluster(broker.bootstrap)

after(async () => {
  await cluster.kafka.close()
  await broker[Symbol.asyncDispose]()
})

const QUICK = { heartbeatMs: 100, commitIntervalMs: 200, sessionTimeoutMs: 6000 } as const

function consumer(topics: readonly string[], options: Partial<ConsumerOptions> = {}): Consumer {
  return cluster.kafka.consumer({ group: randomUUID(), topics, ...QUICK, ...options })
}

function numbered(topic: string, count: number, from = 0): Message[] {
  return Array.from({ length: count }, (_, at) => ({ topic, key: `k${(from + at) % 17}`, value: String(from + at) }))
}

async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isTrue()); await pause(10))
    assert.ok(Date.now() < end, `it did not come to pass: ${what}`)
}

test('what was handled is not delivered again, and what was not is', async () => {
  const topic = await cluster.topic(2)
  await cluster.fill(numbered(topic, 100))
  const group = randomUUID()
  const seen: string[] = []
  const first = consumer([topic], { group })
  const running = first.each(async (message) => {
    if (seen.length >= 60) throw new Error('enough')
    seen.push(message.text())
  })
  await assert.rejects(running, /enough/)
  await first.close()
  const second = consumer([topic], { group })
  const reading = second.each((message) => void seen.push(message.text()))
  await until(() => seen.length >= 100, 'the rest')
  await second.close()
  await reading
  assert.deepEqual(
    seen.map(Number).toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, at) => at),
  )
  assert.deepEqual(
    [...(await cluster.kafka.lag(group)).values()].reduce((sum, one) => sum + one, 0n),
    0n,
  )
})

test('messages of a key are handled in their order, keys at the same time', async () => {
  const topic = await cluster.topic(2)
  await cluster.fill(numbered(topic, 400))
  const seen = new Map<string, number[]>()
  let [running, most, handled] = [0, 0, 0]
  await using reader = consumer([topic], { concurrency: 8, order: 'key' })
  const done = reader.each(async (message) => {
    most = Math.max(most, ++running)
    await pause(1)
    const key = message.key?.toString() ?? ''
    seen.set(key, [...(seen.get(key) ?? []), Number(message.text())])
    running--
    handled++
  })
  await until(() => handled === 400, 'all messages')
  await reader.close()
  await done
  assert.ok(most > 2 && most <= 8, `${most} at the same time`)
  for (const numbers of seen.values())
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
})

test('batches are of one partition, not larger than wanted, and complete', async () => {
  const topic = await cluster.topic(3)
  await cluster.fill(numbered(topic, 250))
  const seen: number[] = []
  await using reader = consumer([topic])
  const done = reader.batches(
    (messages) => {
      assert.ok(messages.length <= 40)
      assert.equal(new Set(messages.map(({ partition }) => partition)).size, 1)
      seen.push(...messages.map((message) => Number(message.text())))
    },
    { messages: 40, waitMs: 20 },
  )
  await until(() => seen.length === 250, 'all messages')
  await reader.close()
  await done
  assert.equal(new Set(seen).size, 250)
})

test('with members that come and go nothing is lost, and nothing is handled by two at the same time', async () => {
  const topic = await cluster.topic(8)
  const group = randomUUID()
  const handled = new Map<string, number>()
  const owners = new Map<string, Consumer>()
  const live = new Map<Consumer, Promise<void>>()
  const start = (): void => {
    const member = consumer([topic], { group, concurrency: 4 })
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

test('partitions that appear later are read from their beginning', async () => {
  const topic = await cluster.topic(1)
  const seen: string[] = []
  await using reader = consumer([topic], { discoveryMs: 100 })
  const done = reader.each((message) => void seen.push(message.text()))
  await until(() => reader.assigned.length === 1, 'the first partition')
  await cluster.kafka.admin().createPartitions(topic, 3)
  await cluster.fill([0, 1, 2].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => seen.length === 3, 'messages of all partitions')
  await reader.close()
  await done
})

test('a paused partition brings nothing until it is resumed', async () => {
  const topic = await cluster.topic(2)
  const seen: string[] = []
  await using reader = consumer([topic])
  const done = reader.each((message) => void seen.push(message.text()))
  await until(() => reader.assigned.length === 2, 'both partitions')
  reader.pause([{ topic, partition: 0 }])
  await cluster.fill([0, 1].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => seen.length === 1, 'the message of the other one')
  assert.deepEqual(seen, ['p1'])
  reader.resume()
  await until(() => seen.length === 2, 'the message of the paused one')
  await reader.close()
  await done
})

test('a message that always fails is tried, delayed, and ends as a dead letter that knows where it came from', async () => {
  const topic = await cluster.topic(1)
  const [retry, dead] = [`${topic}.retry.50ms`, `${topic}.dlq`]
  for (const name of [retry, dead]) await cluster.kafka.admin().createTopic(name, 1)
  await cluster.fill([
    { topic, key: 'a', value: 'good' },
    { topic, key: 'b', value: 'bad', headers: { own: 'kept' } },
    { topic, key: 'c', value: 'fine' },
  ])
  await using producer = cluster.kafka.producer()
  const tries: string[] = []
  await using reader = consumer([topic], {
    retry: { attempts: 2, baseMs: 1 },
    deadLetters: { producer, delaysMs: [50] },
  })
  const done = reader.each((message) => {
    tries.push(message.text())
    if (message.text() === 'bad') throw new TypeError('cannot')
  })
  await until(() => reader.statistics.deadLettered === 1, 'a dead letter')
  await reader.close()
  await done
  assert.deepEqual(
    tries.filter((text) => text !== 'bad'),
    ['good', 'fine'],
  )
  assert.equal(tries.filter((text) => text === 'bad').length, 4)
  const [letter] = await cluster.read(dead, 1)
  const header = (name: keyof typeof DEAD_LETTER_HEADERS): string | undefined =>
    letter?.headers.get(DEAD_LETTER_HEADERS[name])?.toString()
  assert.deepEqual(
    [
      header('topic'),
      header('partition'),
      header('offset'),
      header('attempts'),
      header('errorClass'),
      header('errorMessage'),
    ],
    [topic, '0', '1', '4', 'TypeError', 'cannot'],
  )
  assert.deepEqual(
    [letter?.key?.toString(), letter?.text(), letter?.headers.get('own')?.toString()],
    ['b', 'bad', 'kept'],
  )
  assert.ok(letter !== undefined)
  const back = redriven(letter)
  assert.deepEqual([back?.topic, Object.keys(back?.headers ?? {})], [topic, ['own', DEAD_LETTER_HEADERS.redriven]])
})

test('read, process, write: every input has one output, whatever is thrown in between', async () => {
  const [input, output] = [await cluster.topic(2), await cluster.topic(2)]
  await cluster.fill(numbered(input, 200))
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `rpw-${input}` })
  let written = 0
  for (let life = 0; written < 200; life++) {
    assert.ok(life < 40, 'it ends')
    const reader = consumer([input], { group, commit: 'none' })
    const running = reader.batches(
      (messages, context) =>
        transactions.transaction(async (transaction) => {
          await transaction.send(messages.map((message) => ({ topic: output, value: message.text() })))
          if (life % 3 === 0) throw new Error('before the offsets')
          await transaction.sendOffsets(context.offsets())
          if (life % 3 === 1 && written > 0) throw new Error('after the offsets')
          written += messages.length
        }),
      { messages: 25, waitMs: 5 },
    )
    await Promise.race([running.catch(() => undefined), until(() => written >= 200, 'all outputs')])
    await reader.close()
    await running.catch(() => undefined)
  }
  const seen = await cluster.read(output, 200)
  assert.deepEqual(
    seen.map((message) => Number(message.text())).toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, at) => at),
  )
})

test('manual commits are what the next one begins with', async () => {
  const topic = await cluster.topic(1)
  await cluster.fill(numbered(topic, 20))
  const group = randomUUID()
  const first = consumer([topic], { group, commit: 'manual' })
  let seen = 0
  const running = first.each(async (message, context) => {
    seen++
    if (message.offset === 11n) await context.commit()
  })
  await until(() => seen === 20, 'all messages')
  await first.close()
  await running
  const [next] = await cluster.read(topic, 1, { group, ...QUICK })
  assert.equal(next?.offset, 12n)
})

test('given partitions are read without membership, in strict order', async () => {
  const topic = await cluster.topic(3)
  await cluster.fill(Array.from({ length: 90 }, (_, at) => ({ topic, partition: at % 3, value: String(at) })))
  const seen = await cluster.read(topic, 30, { partitions: [{ topic, partition: 1 }], group: randomUUID() })
  assert.deepEqual(
    seen.map((message) => Number(message.text())),
    Array.from({ length: 30 }, (_, at) => at * 3 + 1),
  )
})

test('of consumers that run together the first error ends all', async () => {
  const [one, two] = [await cluster.topic(1), await cluster.topic(1)]
  await cluster.fill([{ topic: two, value: 'bad' }])
  const [quiet, failing] = [consumer([one]), consumer([two])]
  const all = runTogether([
    { consumer: quiet, run: () => quiet.each(() => undefined) },
    {
      consumer: failing,
      run: () =>
        failing.each(() => {
          throw new RangeError('first')
        }),
    },
  ])
  await assert.rejects(all, RangeError)
})

test('a handler that hangs when its partition is taken away is abandoned, and its message is delivered to the next owner', async () => {
  const topic = await cluster.topic(2)
  const group = randomUUID()
  let wasAborted = false
  const hanging = consumer([topic], { group, revokeTimeoutMs: 200, concurrency: 2 })
  const running = hanging.each(async (_message, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    wasAborted = true
  })
  await until(() => hanging.assigned.length === 2, 'both partitions')
  await cluster.fill([0, 1].map((partition) => ({ topic, partition, value: `p${partition}` })))
  await until(() => hanging.statistics.received === 2, 'both messages')
  const seen: string[] = []
  const second = consumer([topic], { group })
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
  const old = consumer([topic], { group, instanceId: 'one', commit: 'none' })
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

test('a static member that was excluded while it committed a transaction comes back, and every input has one output', async () => {
  const [input, output] = [await cluster.topic(1), await cluster.topic(1)]
  await cluster.fill(numbered(input, 30))
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `excluded-${input}` })
  const deadLetters = { producer: { send: () => assert.fail('no message is to blame') } }
  const options = { group, instanceId: 'one', commit: 'none', deadLetters } as const
  await using reader = consumer([input], options)
  let written = 0
  const running = reader.batches(
    (messages, context) =>
      transactions.transaction(async (transaction) => {
        const offsets = context.offsets()
        await transaction.send(messages.map((message) => ({ topic: output, value: message.text() })))
        if (written === 0 && reader.statistics.rebalances === 1) await cluster.exclude(group, offsets.member)
        await transaction.sendOffsets(offsets)
        written += messages.length
      }),
    { messages: 10, waitMs: 5 },
  )
  await Promise.race([running, until(() => written >= 30, 'all outputs')])
  await reader.close()
  await running
  const seen = await cluster.read(output, 30)
  assert.deepEqual(
    seen.map((message) => Number(message.text())),
    Array.from({ length: 30 }, (_, at) => at),
  )
  assert.equal(reader.statistics.rebalances, 2)
})

test('work on a partition that stays is done again when the group moved on before its transaction was committed', async () => {
  const [input, output] = [await cluster.topic(2), await cluster.topic(1)]
  const group = randomUUID()
  const transactions = cluster.kafka.transactionalProducer({ transactionalId: `moved-${input}` })
  await using reader = consumer([input], { group, commit: 'none' })
  await using other = consumer([input], { group, commit: 'none' })
  let [tries, idle] = [0, Promise.resolve()]
  const running = reader.each((message, context) =>
    transactions.transaction(async (transaction) => {
      const offsets = context.offsets()
      await transaction.send({ topic: output, value: message.text() })
      if (tries++ === 0) {
        idle = other.each(() => undefined)
        await until(() => context.offsets().member.generation > offsets.member.generation, 'another generation')
      }
      await transaction.sendOffsets(offsets)
    }),
  )
  await until(() => reader.assigned.length === 2, 'both partitions')
  // Partitions that are owned stay in their order: the first one is kept.
  await cluster.fill([{ topic: input, partition: 0, value: 'only' }])
  await Promise.race([running, until(() => reader.statistics.handled === 1, 'the message')])
  await reader.close()
  await running
  await other.close()
  await idle
  assert.equal(tries, 2)
  assert.deepEqual(
    (await cluster.read(output, 1)).map((message) => message.text()),
    ['only'],
  )
})
