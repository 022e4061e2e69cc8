/** A job that is told to stop, at any step of its start and with leftovers of killed ones: it ends, and ends well. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandLine, Event } from './command-line.ts'
import { Chance } from './kit/chance.ts'
import { settle } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

/** Kills and stops of each sink; a few hundred find what happens rarely. */
const ROUNDS = process.env['MILLRACE_FULL'] === '1' ? 60 : 2
const STAGES = ['claimed', 'restored', 'started', 'triggered', 'published', 'confirmed']

suite('stops', { concurrency: 2 }, () => {
  for (const sink of ['hudi', 'starrocks', 'files'] as const) {
    test(`${sink}: a stop at any time`, async (t) => {
      const chance = Chance.ofThisRun()
      t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
      await using broker = await Broker.open()
      await using world = await World.create({ broker, sink, rows: 100 })
      for (let round = 0; round < ROUNDS; round++) {
        for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
          await world.topic.append(100)
          await using run = world.home.start()
          const stage = chance.below(STAGES.length)
          await run.eventOrEnd(hasCome(stage))
          await whileRowsCome(world, run, chance.below(200), signal)
          const ended = await run.ended()
          const expected = signal === 'SIGKILL' ? { code: null, signal } : { code: 0, signal: null }
          assert.deepEqual(ended, expected, `${STAGES[stage]}, MILLRACE_SEED=${chance.seed}\n${run.out}${run.err}`)
        }
        await world.auditVisible()
      }
      await settle(world)
    })
  }
})

/** A first start restores nothing: any later step will do. */
function hasCome(stage: number): (event: Event) => boolean {
  return ({ event }) => STAGES.indexOf(event ?? '') >= stage
}

/** Rows come in before and while the process ends. */
async function whileRowsCome(
  world: World,
  run: CommandLine,
  milliseconds: number,
  signal: NodeJS.Signals,
): Promise<void> {
  const appending = world.topic.append(50)
  await pause(milliseconds)
  run.signal(signal)
  await appending
  await world.topic.append(50)
}
