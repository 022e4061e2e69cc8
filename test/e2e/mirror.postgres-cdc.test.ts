/** All tables of a Postgres schema, mirrored into StarRocks: tables made by the job, changed shapes, kills. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { useDatabase } from '../../scripts/services/databases.ts'
import type { Cell } from './kit/cells.ts'
import { cellText } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { killAt } from './kit/kills.ts'
import { DatabaseWorld } from './postgres-kit/database-world.ts'

const DEATHS: readonly Cell[] = [
  { name: 'confirm', position: 'after', nth: 1 },
  { name: 'sink.prepare', position: 'sent', nth: 2 },
  { name: 'commit', position: 'sent', nth: 2 },
]

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

test('a schema is mirrored exactly, through kills, a new column, a TRUNCATE and a new table', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using world = await DatabaseWorld.create(server.url, chance)
  const missed: string[] = []
  for (const cell of DEATHS) if (!(await killAt(world, cell))) missed.push(cellText(cell))
  await world.settle()
  // While nobody reads, and while somebody does.
  await world.database.sql('ALTER TABLE shop.users ADD note text')
  await world.database.sql(`UPDATE shop.users SET note = 'n' || id WHERE id < 100`)
  world.tables.get('users')?.push('note')
  await world.settle()
  await using run = world.home.start()
  await world.caughtUp(run)
  await world.database.sql(
    `ALTER TABLE shop.orders ADD paid boolean; UPDATE shop.orders SET paid = true WHERE id < 100`,
  )
  await world.database.sql('TRUNCATE shop.users')
  await world.database.sql(
    `CREATE TABLE shop.later (id int PRIMARY KEY, word text); INSERT INTO shop.later VALUES (1, 'x')`,
  )
  world.tables.set('later', ['id', 'word'])
  await world.topic.append(40)
  await world.caughtUp(run)
  await world.database.sql(`UPDATE shop.later SET word = 'y'; INSERT INTO shop.later VALUES (2, 'z')`)
  await world.caughtUp(run)
  const paid = (await world.target.rows('m_orders', ['paid'])).filter(([cell]) => cell !== 'NULL')
  const [wanted] = await world.database.sql('SELECT count(*) FROM shop.orders WHERE paid')
  assert.equal(paid.length, Number(wanted?.[0]))
  assert.deepEqual(missed, [])
})
