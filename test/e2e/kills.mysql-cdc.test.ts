/** A MySQL table that is mirrored into StarRocks while it changes and the job is killed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDatabase, useDatabase, type DatabaseName } from '../../scripts/services/databases.ts'
import { armed, CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell, isConfirmed, killAfter, killAt } from './kit/kills.ts'
import { TableWorld } from './mysql-kit/table-world.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
/** Places to die at besides the first one; in a usual run a few, since others have been to all of them. */
const KILLS: readonly (readonly [server: DatabaseName, kills: number])[] = [
  ['mysql', isFull ? CELLS.length : 2],
  ['mariadb', isFull ? CELLS.length : 0],
]
const RANDOM_KILL_MS = 1500

for (const [name, kills] of KILLS) {
  test(`a table in StarRocks becomes what its table in ${name} is, wherever the job is killed`, async (t) => {
    const chance = Chance.ofThisRun()
    t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
    await using server = await useDatabase(name)
    await using world = await TableWorld.create(server.url, chance, 60_000)
    // The first kills are in the initial read.
    const missed: string[] = []
    for (const cell of cellsOf(chance, kills)) {
      if (!(await killAt(world, cell))) missed.push(cellText(cell))
    }
    await killAfter(world, chance.below(RANDOM_KILL_MS))
    await world.topic.append(100)
    await world.settle()
    assert.deepEqual(missed, [], `MILLRACE_SEED=${chance.seed}`)
  })
}

test('a job that ends with the initial rows ends, and has them all', async () => {
  const chance = Chance.ofThisRun()
  await using server = await useDatabase('mysql')
  await using world = await TableWorld.create(server.url, chance, 3000, 'end: snapshot')
  await using run = world.home.start()
  await world.topic.append(20)
  await endedWell(run)
  await world.auditEnd()
})

test('a twin that slept while another one took over ends fenced, and the table is right', async () => {
  const chance = Chance.ofThisRun()
  await using server = await useDatabase('mysql')
  await using world = await TableWorld.create(server.url, chance, 2000)
  await world.settle()
  await using sleeper = world.home.start(armed({ name: 'chk.barrier', position: 'after', nth: 2 }, 'stop'))
  while (!world.home.trace().some((line) => line.startsWith(`${sleeper.pid} `))) await world.topic.append(20)
  // The sleeper is still logged in with the server id that the successor needs.
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
  const own = await startDatabase('mariadb')
  try {
    await using world = await TableWorld.create(own.url, chance, 2000)
    await using run = world.home.start()
    await run.event(isConfirmed)
    await world.topic.append(50)
    await own.kill()
    await own.restart()
    await world.server.reconnect()
    await world.topic.append(50)
    await world.caughtUp(run)
    await world.stop(run)
  } finally {
    await own.stop()
  }
})

function cellsOf(chance: Chance, kills: number): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, 'starrocks') === undefined)
  // Two are only reached when a commit goes wrong, which other campaigns see to.
  const plain = cells.filter(({ name }) => name !== 'evidence' && name !== 'decision.apply')
  const sample = chance.sample(plain, kills).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
  // The first start restores nothing: it has to have published something before it can.
  return [{ name: 'commit', position: 'after', nth: 1 }, ...sample]
}
