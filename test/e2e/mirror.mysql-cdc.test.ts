/** All tables of a MySQL database, mirrored into StarRocks: tables made by the job, changed shapes, kills. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase, type DatabaseName } from '../../scripts/services/databases.ts'
import { cellText, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { killAt } from './kit/kills.ts'
import { DatabaseWorld } from './mysql-kit/database-world.ts'

const DEATHS: readonly Cell[] = [
  { name: 'confirm', position: 'after', nth: 1 },
  { name: 'sink.prepare', position: 'sent', nth: 2 },
  { name: 'commit', position: 'sent', nth: 2 },
]
/** All of them in the long run. */
const SERVERS: readonly DatabaseName[] =
  process.env['MILLRACE_FULL'] === '1' ? ['mysql', 'mysql80', 'mariadb'] : ['mysql']

for (const name of SERVERS) {
  test(`a database of ${name} is mirrored exactly, through kills, changed tables and a TRUNCATE`, async (t) => {
    const chance = Chance.ofThisRun()
    t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
    await using server = await useDatabase(name)
    await using world = await DatabaseWorld.create(server.url, chance)
    const missed: string[] = []
    for (const cell of DEATHS) if (!(await killAt(world, cell))) missed.push(cellText(cell))
    await world.settle()
    // While nobody reads, and while somebody does.
    await world.server.sql('ALTER TABLE users ADD note varchar(20)', "UPDATE users SET note = 'n' WHERE id < 100")
    world.tables.get('users')?.push('note')
    await world.settle()
    await using run = world.home.start()
    await world.caughtUp(run)
    await world.server.sql(
      'ALTER TABLE orders ADD paid tinyint',
      'UPDATE orders SET paid = 1 WHERE id < 100',
      'CREATE TABLE later (id int PRIMARY KEY, word varchar(10))',
      "INSERT INTO later VALUES (1, 'new')",
      'TRUNCATE TABLE users',
    )
    world.tables.get('orders')?.push('paid')
    world.tables.set('later', ['id', 'word'])
    await world.topic.append(40)
    await world.caughtUp(run)
    assert.deepEqual(missed, [])
  })
}

test('a table that is added to the file is mirrored beside the others, wherever the job is killed', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using server = await useDatabase('mysql')
  await using world = await DatabaseWorld.create(server.url, chance, 'users')
  world.tables.delete('orders')
  await world.settle()
  world.read(server.url, '(users|orders)')
  world.tables.set('orders', ['id', 'line', 'item', 'big'])
  const [death] = chance.sample(DEATHS, 1)
  assert.ok(death !== undefined)
  assert.ok(await killAt(world, death), cellText(death))
  await world.topic.append(40)
  await world.settle()
})
