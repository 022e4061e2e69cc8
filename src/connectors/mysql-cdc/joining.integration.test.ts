/** Tables that are asked for later, read again, or paused, while others are followed and everybody writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase, type DatabaseName } from '../../../scripts/services/databases.ts'
import type { Follower } from '../../testkit/mysql-cdc/follower.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'
import { seeded } from '../../testkit/seeded.ts'

const SERVERS: readonly DatabaseName[] =
  process.env['MILLRACE_FULL'] === '1' ? ['mysql', 'mariadb', 'mysql80'] : ['mysql', 'mariadb']
const ROWS = 300
const TABLES = ['old', 'fresh'] as const

for (const server of SERVERS) {
  test(`${server}: a table that is added later gets its earlier rows beside the log, through crashes`, async (t) => {
    await using service = await useDatabase(server)
    await using world = await filled(service.url)
    const random = seeded(t)
    await using follower = world.follower({ tables: [`${world.database}\\.old`], fetchSize: 40 })
    await follower.discover()
    await follower.until(() => follower.isFollowingLog)
    await write(world, random)
    await follower.restart(
      world.sourceOptions({ tables: TABLES.map((name) => `${world.database}\\.${name}`), fetchSize: 40 }),
    )
    await readAndWrite(world, follower, random, () => follower.reads?.round === 1)
    await sameAsThere(world, follower)
    assert.deepEqual(follower.changes, [])
  })
}

test('a table that joins a log which is far behind takes nothing away from the others', async () => {
  await using service = await useDatabase('mysql')
  await using world = await filled(service.url)
  await using follower = world.follower({ tables: [`${world.database}\\.old`] })
  await follower.discover()
  await follower.until(() => follower.isFollowingLog)
  // While nobody reads, more is written than comes at once.
  const ids = Array.from({ length: 1000 }, (_, id) => `(${ROWS + id}, 0, REPEAT('x', 2000))`).join(', ')
  await world.sql('ALTER TABLE old MODIFY word varchar(2000)')
  for (let times = 0; times < 8; times++)
    await world.sql(`REPLACE INTO old VALUES ${ids}`, 'DELETE FROM old WHERE id % 7 = 0')
  await follower.restart(world.sourceOptions())
  await follower.until(() => follower.reads?.round === 1)
  await sameAsThere(world, follower)
})

test('a table is read again while the other one goes on, and keeps nothing that is not there', async (t) => {
  await using service = await useDatabase('mysql')
  await using world = await filled(service.url)
  const random = seeded(t)
  await using follower = world.follower({ fetchSize: 40 })
  await follower.discover()
  await follower.until(() => follower.isFollowingLog)
  follower.publish()
  // Somebody has emptied the target.
  const rows = follower.rows as Map<string, string>
  for (const [key] of rowsOf(follower, world, 'old')) rows.delete(key)
  follower.publish()
  const resync = { [`${world.database}.old`]: 'first' }
  await follower.restart(world.sourceOptions({ fetchSize: 40, resync }))
  await readAndWrite(world, follower, random, () => follower.reads?.round === 1)
  await sameAsThere(world, follower)
  const { batches } = follower
  // The occasion has had its reading.
  await follower.restart(world.sourceOptions({ fetchSize: 40, resync }))
  await follower.step()
  assert.deepEqual([follower.reads?.round, follower.batches], [1, batches])
})

test('the one table of a source is read again, through crashes, and its log misses nothing meanwhile', async (t) => {
  await using service = await useDatabase('mysql')
  await using world = await filled(service.url)
  const random = seeded(t)
  const one = { table: `${world.database}.old`, metadata: ['op'], fetchSize: 40 }
  await using follower = world.follower(one)
  await follower.discover()
  await follower.until(() => follower.isFollowingLog)
  await write(world, random)
  await caughtUp(world, follower, 'old')
  // Somebody has emptied the target.
  const rows = follower.rows as Map<string, string>
  rows.clear()
  follower.publish()
  const resync = { [one.table]: 'first' }
  await follower.restart(world.sourceOptions({ ...one, resync }))
  await readAndWrite(world, follower, random, () => follower.reads?.round === 1)
  await sameAsThere(world, follower, one)
  const { batches } = follower
  await follower.restart(world.sourceOptions({ ...one, resync }))
  await follower.step()
  assert.deepEqual([follower.reads?.round, follower.batches], [1, batches], 'the occasion has had its reading')
})

test('a paused table stands still while the other one goes on, and misses nothing', async (t) => {
  await using service = await useDatabase('mysql')
  await using world = await filled(service.url)
  const random = seeded(t)
  const paused = [`${world.database}\\.old`]
  await using follower = world.follower()
  await follower.discover()
  await follower.until(() => follower.isFollowingLog)
  follower.publish()
  await write(world, random)
  await caughtUp(world, follower, 'fresh')
  await follower.restart(world.sourceOptions({ paused }))
  await follower.until(() => Object.keys(follower.reads?.held ?? {}).length === 1)
  const before = rowsOf(follower, world, 'old')
  for (let times = 0; times < 5; times++) await write(world, random)
  await caughtUp(world, follower, 'fresh')
  await follower.crash()
  await caughtUp(world, follower, 'fresh')
  assert.deepEqual(rowsOf(follower, world, 'old'), before)
  await follower.restart(world.sourceOptions())
  await readAndWrite(world, follower, random, () => Object.keys(follower.reads?.held ?? {}).length === 0)
  await sameAsThere(world, follower)
})

async function filled(url: string): Promise<MysqlWorld> {
  const world = await MysqlWorld.create(url)
  const ids = Array.from({ length: ROWS }, (_, id) => id)
  for (const table of TABLES) {
    await world.sql(
      `CREATE TABLE ${table} (id int PRIMARY KEY, v int, word varchar(20))`,
      `INSERT INTO ${table} VALUES ${ids.map((id) => `(${id}, 0, 'row ${id}')`).join(', ')}`,
    )
  }
  return world
}

/** One transaction over both tables. */
async function write(world: MysqlWorld, random: () => number): Promise<void> {
  const id = (): number => Math.floor(random() * ROWS * 1.2)
  const changes = TABLES.flatMap((table) => [
    `UPDATE ${table} SET v = v + 1 WHERE id BETWEEN ${id()} AND ${id()} LIMIT 7`,
    `DELETE FROM ${table} WHERE id = ${id()}`,
    `INSERT IGNORE INTO ${table} VALUES (${id()}, -1, 'again')`,
    `UPDATE IGNORE ${table} SET id = ${id()} WHERE id = ${id()}`,
  ])
  await world.sql('BEGIN', ...changes, random() < 0.1 ? 'ROLLBACK' : 'COMMIT')
}

/** Reads on with crashes between any two items, and writes, until it is done. */
async function readAndWrite(
  world: MysqlWorld,
  follower: Follower,
  random: () => number,
  isDone: () => boolean,
): Promise<void> {
  const deadline = AbortSignal.timeout(180_000)
  while (!isDone()) {
    assert.ok(!deadline.aborted, 'the tables are there in time')
    await write(world, random)
    await follower.step(() => {
      if (random() < 0.5) follower.publish()
    })
    if (random() < 0.1) await follower.crash()
    await follower.discoverMore()
  }
}

/** Reads on until the table has a row that is written now. */
async function caughtUp(world: MysqlWorld, follower: Follower, table: string): Promise<void> {
  const [[least] = []] = await world.connection.query(`SELECT LEAST(MIN(id), 0) - 1 FROM ${table}`)
  await world.sql(`INSERT INTO ${table} VALUES (${least}, 0, 'marker')`)
  await follower.until(() => follower.rows.has(`${world.database}.${table} ${least}`))
}

async function sameAsThere(world: MysqlWorld, follower: Follower, one?: { readonly table: string }): Promise<void> {
  const tables = one === undefined ? TABLES : [one.table.slice(world.database.length + 1)]
  for (const table of tables) await caughtUp(world, follower, table)
  await using again = world.follower(one)
  await again.discover()
  await again.until(() => again.isFollowingLog)
  for (const table of tables) assert.deepEqual(rowsOf(follower, world, table), rowsOf(again, world, table))
}

function rowsOf(follower: Follower, world: MysqlWorld, table: string): [string, string][] {
  const rows = [...follower.rows].filter(([key]) => key.startsWith(`${world.database}.${table} `))
  return rows.toSorted(([one], [other]) => (one < other ? -1 : 1))
}
