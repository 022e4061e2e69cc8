/** Partitions and shards that change lanes while rows flow. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine } from './command-line.ts'
import { settle, type Killable } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'
import { LogWorld } from './sls-kit/log-world.ts'

/** Of four partitions or shards the first lane reads these. */
const BUSY = [0, 2]

interface Movable extends Killable {
  readonly topic: Killable['topic'] & { appendTo(part: number, rows: number): Promise<void> | void }
  auditVisible(): Promise<unknown>
}

test('a partition moves to the lane that reads less, and a kill around the move loses and doubles nothing', async () => {
  await using broker = await Broker.open()
  await using world = await World.create({
    broker,
    sink: 'files',
    partitions: 4,
    rows: 10,
    source: 'rebalance: on-skew',
  })
  await killAfterMoves(world, [0, 2])
})

test('a shard moves to the lane that reads less, and a kill right after it loses and doubles nothing', async () => {
  await using world = await LogWorld.create('starrocks', 10, { shards: 4 })
  await killAfterMoves(world, [0])
})

/** Each run moves a split, and dies so many checkpoints later. */
async function killAfterMoves(world: Movable, lives: readonly number[]): Promise<void> {
  await settle(world)
  for (const checkpoints of lives) {
    await using run = world.home.start()
    await untilMoved(world, run)
    for (let seen = 0; seen < checkpoints; seen++) {
      const newest = Math.max(...run.events().map((event) => Number(event['checkpoint'] ?? 0)))
      for (const part of BUSY) await world.topic.appendTo(part, 50)
      await run.event((event) => event.event === 'confirmed' && Number(event['checkpoint']) > newest)
    }
    run.signal('SIGKILL')
    await run.ended()
    await world.auditVisible()
  }
  await settle(world)
}

/** Feeds one lane alone until the other one gets a split of it. */
async function untilMoved(world: Movable, run: CommandLine): Promise<void> {
  await run.event((event) => event.event === 'started')
  const moved = run.event((event) => String(event['message'] ?? '').includes('reads more than the others'))
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
  const events = run.events()
  const at = events.findIndex(({ message }) => message === event['message'])
  const step = events.slice(0, at).findLast(({ event: kind }) => kind === 'triggered' || kind === 'published')
  assert.equal(step?.event, 'published', 'it moves when the checkpoint of its barrier is published')
}
