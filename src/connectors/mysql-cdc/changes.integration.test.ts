/**
 * The initial rows and the log together: whatever is written meanwhile, and wherever reading is killed, the rows are those
 * of the source in the end. What is compared is the text of every value, and both ways of reading have to give the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import type { MysqlConnection } from '../../clients/mysql-replication/index.ts'
import type { Follower } from '../../testkit/mysql-cdc/follower.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'
import { seeded } from '../../testkit/seeded.ts'

const SERVERS = ['mariadb', 'mysql', 'mysql80'] as const

for (const server of SERVERS) {
  test(`${server}: rows that are written while the initial ones are read come once, whatever is killed`, async (t) => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql(
      'CREATE TABLE numbers (id bigint PRIMARY KEY, v int, t varchar(40))',
      'CREATE TABLE words (b int, a varchar(20), v int, PRIMARY KEY (a, b))',
      'CREATE TABLE marker (id int PRIMARY KEY)',
    )
    for (let at = 0; at < 10; at++) {
      const ids = Array.from({ length: 200 }, (_, row) => at * 200 + row)
      await world.sql(
        `INSERT INTO numbers VALUES ${ids.map((id) => `(${id}, 0, 'row ${id}')`).join(', ')}`,
        `INSERT INTO words VALUES ${ids.map((id) => `(${id % 5}, 'w${id}', 0)`).join(', ')}`,
      )
    }
    const random = seeded(t)
    const writing = { isOn: true, transactions: 0 }
    const writers = [1, 2, 3].map(async (writer) => await write(await world.session(), writer, random, writing))
    await using follower = world.follower({ fetchSize: 100 })
    await follower.discover()
    await readWithCrashes(follower, random, () => follower.isFollowingLog && writing.transactions > 120)
    writing.isOn = false
    await Promise.all(writers)
    await world.sql('INSERT INTO marker VALUES (1)')
    await follower.until(() => follower.rows.has(`${world.database}.marker 1`))
    assert.deepEqual(sorted(follower.rows), sorted(await selected(world)))
  })
}

test('one table: what the initial rows have is not inserted again by the log', async (t) => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE numbers (id bigint PRIMARY KEY, v int, t varchar(40))')
  const ids = Array.from({ length: 1000 }, (_, id) => id)
  await world.sql(`INSERT INTO numbers VALUES ${ids.map((id) => `(${id}, 0, 'row ${id}')`).join(', ')}`)
  const random = seeded(t)
  const table = `${world.database}.numbers`
  await using follower = world.follower({ table, fetchSize: 50, metadata: ['op'] })
  await follower.discover()
  // Between the place of the snapshot and the page that would see them, and behind it.
  let id = 10_000
  const write = async (): Promise<void> => {
    await world.sql(
      `INSERT INTO numbers VALUES (${id++}, 1, 'new'), (${-id}, 1, 'new')`,
      `UPDATE numbers SET v = v + 1 WHERE id = ${Math.floor(random() * 1000)}`,
      `DELETE FROM numbers WHERE id = ${Math.floor(random() * 1000)}`,
    )
  }
  while (!follower.isFollowingLog) {
    await write()
    await follower.step()
    follower.publish()
    await follower.discoverMore()
  }
  await world.sql("INSERT INTO numbers VALUES (-1000000, 0, 'last')")
  await follower.until(() => follower.rows.has(`${table} -1000000`))
  await using again = world.follower({ table })
  await again.discover()
  await again.until(() => again.isFollowingLog)
  assert.deepEqual(sorted(follower.rows), sorted(again.rows))
})

/** Everything as a new reader finds it: nothing is written any more, so that all of it comes from SELECTs. */
async function selected(world: MysqlWorld): Promise<ReadonlyMap<string, string>> {
  await using reader = world.follower()
  await reader.discover()
  await reader.until(() => reader.isFollowingLog)
  return reader.rows
}

async function readWithCrashes(follower: Follower, random: () => number, isDone: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(60_000)
  while (!isDone()) {
    assert.ok(!deadline.aborted, 'the log is reached within a minute')
    // Checkpoints lie between any two items, also between two tables of the same transactions.
    await follower.step(() => {
      if (random() < 0.3) follower.publish()
    })
    if (random() > 0.9) await follower.crash()
    await follower.discoverMore()
  }
}

async function write(
  session: MysqlConnection,
  writer: number,
  random: () => number,
  writing: { isOn: boolean; transactions: number },
): Promise<void> {
  const id = (): number => Math.floor(random() * 2100)
  const statements = [
    () => `UPDATE numbers SET v = v + 1, t = 'by ${writer}' WHERE id = ${id()}`,
    () => `DELETE FROM numbers WHERE id = ${id()}`,
    () => `INSERT IGNORE INTO numbers VALUES (${id()}, -1, 'again "${writer}"')`,
    () => `UPDATE IGNORE numbers SET id = ${id()} WHERE id = ${id()}`,
    () => `UPDATE words SET v = v + 1 WHERE a = 'w${id()}'`,
    () => `UPDATE IGNORE words SET a = UPPER(a) WHERE a = 'w${id()}'`,
    () => `REPLACE INTO words VALUES (${id() % 5}, 'w${id()}', 7)`,
    () => `DELETE FROM words WHERE v > ${3 + (id() % 5)}`,
  ]
  while (writing.isOn) {
    await session.query('BEGIN')
    try {
      for (let left = 1 + Math.floor(random() * 4); left > 0; left--) {
        await session.query(statements[Math.floor(random() * statements.length)]?.() ?? 'DO 0')
      }
      await session.query(random() < 0.1 ? 'ROLLBACK' : 'COMMIT')
    } catch {
      // A deadlock with another writer: the server has rolled back.
      await session.query('ROLLBACK')
    }
    writing.transactions++
  }
}

function sorted(rows: ReadonlyMap<string, string>): [string, string][] {
  return [...rows].toSorted(([one], [other]) => (one < other ? -1 : 1))
}
