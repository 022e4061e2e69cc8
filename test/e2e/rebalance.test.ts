/** Partitions that change lanes while rows flow. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from './command-line.ts'
import { settle } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

/** Of four partitions the first lane reads these. */
const BUSY = [0, 2]

test('a partition moves to the lane that reads less, and a kill around the move loses and doubles nothing', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({
    broker,
    sink: 'files',
    partitions: 4,
    rows: 10,
    source: 'rebalance: on-skew',
  })
  await settle(world)
  // The first dies as soon as it has moved a partition, the second some checkpoints later.
  for (const checkpoints of [0, 2]) {
    await using run = world.home.start()
    await untilMoved(world, run)
    for (let seen = 0; seen < checkpoints; seen++) {
      for (const part of BUSY) await world.topic.appendTo(part, 50)
      await run.event((event) => event.event === 'confirmed')
    }
    run.signal('SIGKILL')
    await run.ended()
    await world.auditVisible()
  }
  await settle(world)
})

/** Feeds one lane alone until the other one gets a partition of it. */
async function untilMoved(world: World, run: CommandLine): Promise<void> {
  await run.event((event) => event.event === 'started')
  const moved = run.event((event) => String(event['message'] ?? '').includes('so kills-'))
  const stop = new AbortController()
  const feeding = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      for (const part of BUSY) await world.topic.appendTo(part, 50)
      await pause(20)
    }
  })()
  const event = await moved
  stop.abort()
  await feeding
  assert.match(String(event['message']), /rows: lane 0 reads more than the others, so \S+\/[02] moves to lane 1/)
}
