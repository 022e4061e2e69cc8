/** How long readers wait for rows after a start. The figures are printed, for people; what is asserted is the content. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { caughtUp, endedWell } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

const LIVES = 3
const LOOKS = 10

test('readers see whole checkpoints while rows flow, and soon again after a kill', async (t) => {
  await using broker = await Broker.open()
  // The log keeps all checkpoints, so that what a reader saw can be looked up afterwards.
  await using world = await World.create({ broker, sink: 'starrocks', rows: 1000, retained: 1000 })
  for (let life = 1; life <= LIVES; life++) {
    const before = sum(await world.auditVisible())
    const started = performance.now()
    await using run = world.home.start()
    while (sum(await world.auditVisible()) === before) {
      assert.ok(!run.hasEnded, run.out + run.err)
      await pause(5)
    }
    const what = life === 1 ? 'cold start' : 'start after kill -9'
    t.diagnostic(`${what} → first new visible row: ${Math.round(performance.now() - started)} ms`)
    for (let look = 0; look < LOOKS; look++) {
      await world.topic.append(100)
      await world.auditVisible()
    }
    run.signal('SIGKILL')
    await run.ended()
    await world.topic.append(100)
  }
  await using run = world.home.start()
  await caughtUp(world, run)
  run.signal('SIGTERM')
  await endedWell(run)
  await world.auditEnd()
})

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
