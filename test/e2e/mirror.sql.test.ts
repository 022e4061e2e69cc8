/** All tables of a MySQL database, mirrored into another SQL server: tables made by the job, changed shapes, kills. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../scripts/services/databases.ts'
import { cellText, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { killAt } from './kit/kills.ts'
import { sqlMirror } from './kit/mirror-targets.ts'
import { DatabaseWorld } from './mysql-kit/database-world.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const DEATHS: readonly Cell[] = [
  { name: 'sink.flush', position: 'after', nth: 7 },
  { name: 'confirm', position: 'after', nth: 2 },
]
const MORE: readonly Cell[] = [
  { name: 'sink.flush', position: 'before', nth: 3 },
  { name: 'sink.prepare', position: 'before', nth: 2 },
  { name: 'sink.prepare', position: 'after', nth: 2 },
  { name: 'store.manifest.publish', position: 'after', nth: 2 },
]

for (const kind of isFull ? (['postgres', 'mariadb'] as const) : (['postgres'] as const)) {
  test(`a database of MySQL is mirrored into ${kind}, through kills, a changed table and a TRUNCATE`, async (t) => {
    const chance = Chance.ofThisRun()
    t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
    await using server = await useDatabase('mysql')
    await using world = await DatabaseWorld.create(server.url, chance, '.*', () => sqlMirror(kind))
    const missed: string[] = []
    for (const cell of isFull ? [...DEATHS, ...MORE] : DEATHS)
      if (!(await killAt(world, cell))) missed.push(cellText(cell))
    await using run = world.home.start()
    await world.caughtUp(run)
    await world.server.sql(
      'ALTER TABLE orders ADD paid tinyint',
      'UPDATE orders SET paid = 1 WHERE id < 100',
      'TRUNCATE TABLE users',
    )
    world.tables.get('orders')?.push('paid')
    await world.topic.append(40)
    await world.caughtUp(run)
    assert.deepEqual(missed, [])
  })
}
