/** A Postgres table that is mirrored into StarRocks while it changes and the job is killed. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startDatabase, useDatabase } from '../../scripts/services/databases.ts'
import { armed, CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { isConfirmed, killAfter, killAt } from './kit/kills.ts'
import { TableWorld } from './postgres-kit/table-world.ts'

const KILLS = process.env['MILLRACE_FULL'] === '1' ? CELLS.length : 3
const RANDOM_KILL_MS = 1500

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

test('a table in StarRocks becomes what its Postgres table is, wherever the job is killed', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using world = await TableWorld.create(server.url, chance, { rows: 60_000, parts: 4 })
  // In the initial read, with something published, so that every step of a restore is taken.
  await killAt(world, { name: 'confirm', position: 'after', nth: 1 })
  const missed: string[] = []
  for (const cell of cellsOf(chance)) {
    if (!(await killAt(world, cell))) missed.push(cellText(cell))
  }
  await killAfter(world, chance.below(RANDOM_KILL_MS))
  await world.topic.append(100)
  await world.settle()
  assert.deepEqual(missed, [], `MILLRACE_SEED=${chance.seed}`)
})

test('a twin that slept while another one took over ends fenced, and the table is right', async () => {
  const chance = Chance.ofThisRun()
  await using world = await TableWorld.create(server.url, chance, { rows: 2000, parts: 2 })
  await world.settle()
  await using sleeper = world.home.start(armed({ name: 'chk.barrier', position: 'after', nth: 2 }, 'stop'))
  while (!world.home.trace().some((line) => line.startsWith(`${sleeper.pid} `))) await world.topic.append(20)
  // The sleeper still holds the slot, and nobody hears from it.
  await using successor = world.home.start()
  await world.topic.append(100)
  await world.caughtUp(successor)
  assert.deepEqual(await sleeper.wakeUp(), { code: 66, signal: null }, sleeper.out + sleeper.err)
  await world.topic.append(100)
  await world.caughtUp(successor)
  await world.stop(successor)
})

test('a server that restarts in the middle loses and doubles nothing', async () => {
  const chance = Chance.ofThisRun()
  await using own = await startDatabase('postgres')
  await using world = await TableWorld.create(own.url, chance, { rows: 2000, parts: 2 })
  await using run = world.home.start()
  await run.event(isConfirmed)
  await world.topic.append(50)
  await own.kill()
  await own.restart()
  await world.reconnect()
  await world.topic.append(50)
  await world.caughtUp(run)
  await world.stop(run)
})

function cellsOf(chance: Chance): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, 'starrocks') === undefined)
  // Two are only reached when a commit goes wrong, which other campaigns see to.
  const plain = cells.filter(({ name }) => name !== 'evidence' && name !== 'decision.apply')
  return chance.sample(plain, KILLS).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
}
