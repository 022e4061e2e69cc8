/** What else happens in a log: changes of tables, compressed and large transactions, and what has to halt. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { startDatabase, useDatabase, type DatabaseName } from '../../../scripts/services/databases.ts'
import type { Follower } from '../../testkit/mysql-cdc/follower.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'

/** The old server in the long run: what it does otherwise is among its values and its recorded log. */
const SERVERS: readonly DatabaseName[] = [
  'mariadb',
  'mysql',
  ...(process.env['MILLRACE_FULL'] === '1' ? (['mysql80'] as const) : []),
]

/** A follower that has read everything that is there, and waits for more. */
async function following(world: MysqlWorld, options: object = {}): Promise<Follower> {
  const follower = world.follower(options)
  await follower.discover()
  await follower.until(() => follower.isFollowingLog)
  return follower
}

/** Reads on until all that was written before is there. */
async function catchUp(world: MysqlWorld, follower: Follower): Promise<void> {
  await world.sql(
    'CREATE TABLE IF NOT EXISTS marker (id int AUTO_INCREMENT PRIMARY KEY)',
    'INSERT INTO marker VALUES ()',
  )
  const [[id] = []] = await world.connection.query('SELECT MAX(id) FROM marker')
  await follower.until(() => follower.rows.has(`${world.database}.marker ${id}`))
}

function row(world: MysqlWorld, follower: Follower, table: string, key: string): string[] | undefined {
  return follower.rows.get(`${world.database}.${table} ${key}`)?.split('\n')
}

/** What was told of a table. */
function told(follower: Follower, table: string): string[] {
  return follower.changes
    .filter((change) => change.table.name === table)
    .flatMap(({ events }) => events)
    .map((event) => JSON.stringify(event))
}

for (const server of SERVERS) {
  test(`${server}: changes of tables come in order with the rows`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY, a int)', 'INSERT INTO t VALUES (1, 1), (2, 2)')
    await using follower = await following(world)
    await world.sql(
      'UPDATE t SET a = 10 WHERE id = 1',
      'ALTER TABLE t ADD COLUMN b varchar(10)',
      "INSERT INTO t VALUES (3, 3, 'new')",
      'ALTER TABLE t CHANGE COLUMN a c bigint',
      'INSERT INTO t VALUES (4, 5000000000, NULL)',
      'ALTER TABLE t DROP COLUMN b',
      'INSERT INTO t VALUES (5, 5)',
      'CREATE TABLE later (id int PRIMARY KEY, v int)',
      'INSERT INTO later VALUES (7, 70)',
    )
    await catchUp(world, follower)
    assert.deepEqual(told(follower, 't'), [
      '{"kind":"add-columns","columns":["b"]}',
      '{"kind":"rename-column","from":"a","to":"c"}',
      '{"kind":"drop-columns","columns":["b"]}',
    ])
    assert.deepEqual(told(follower, 'later'), ['{"kind":"create"}'])
    assert.deepEqual(row(world, follower, 't', '1'), ['a=10', 'id=1'])
    assert.deepEqual(row(world, follower, 't', '3'), ['a=3', 'b="new"', 'id=3'])
    assert.deepEqual(row(world, follower, 't', '4'), ['b=null', 'c=5000000000', 'id=4'])
    assert.deepEqual(row(world, follower, 't', '5'), ['c=5', 'id=5'])
    await world.sql('TRUNCATE TABLE t', 'INSERT INTO t VALUES (9, 9)', 'DROP TABLE later')
    await catchUp(world, follower)
    assert.deepEqual(told(follower, 't').slice(3), ['{"kind":"truncate"}'])
    assert.deepEqual(told(follower, 'later').slice(1), ['{"kind":"drop"}'])
  })

  test(`${server}: a shape that is known from before a restart is not told again, a new one is`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY, a int)', 'INSERT INTO t VALUES (1, 1)')
    await using follower = await following(world)
    await world.sql('INSERT INTO t VALUES (2, 2)')
    await catchUp(world, follower)
    await world.sql('ALTER TABLE t ADD COLUMN b int', 'INSERT INTO t VALUES (3, 3, 3)')
    // While nobody reads.
    await follower.crash()
    await world.sql('INSERT INTO t VALUES (4, 4, 4)')
    await catchUp(world, follower)
    assert.equal(told(follower, 't').length, 1)
    follower.publish()
    await follower.crash()
    await world.sql('INSERT INTO t VALUES (5, 5, 5)')
    await catchUp(world, follower)
    assert.equal(told(follower, 't').length, 1)
    assert.deepEqual(row(world, follower, 't', '5'), ['a=5', 'b=5', 'id=5'])
  })

  test(`${server}: a copy that takes the place of a table, as gh-ost does it, halts nothing; another rename does`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY, a int)', 'INSERT INTO t VALUES (1, 1)')
    const tables = [`${world.database}\\.(t|marker)`]
    await using follower = await following(world, { tables })
    await world.sql(
      'CREATE TABLE _t_gho (id int PRIMARY KEY, a int, b int)',
      'INSERT INTO _t_gho SELECT id, a, 0 FROM t',
      'RENAME TABLE t TO _t_del, _t_gho TO t',
      'INSERT INTO t VALUES (2, 2, 2)',
    )
    await catchUp(world, follower)
    assert.deepEqual(row(world, follower, 't', '2'), ['a=2', 'b=2', 'id=2'])
    await world.sql('RENAME TABLE t TO elsewhere', 'CREATE TABLE t (id int PRIMARY KEY)')
    await assert.rejects(catchUp(world, follower), { code: 'SCHEMA', retry: 'halt', message: /renamed/ })
  })

  test(`${server}: one table whose columns change halts, and goes on once the schema is looked up again`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY, a int)', 'INSERT INTO t VALUES (1, 1)')
    const table = `${world.database}.t`
    await using follower = await following(world, { table })
    await world.sql('UPDATE t SET a = 2', 'ALTER TABLE t ADD COLUMN b int', 'INSERT INTO t VALUES (3, 3, 3)')
    const isThere = (): boolean => follower.rows.has(`${table} 3`)
    await assert.rejects(follower.until(isThere), { code: 'SCHEMA', retry: 'halt', message: /b is new/ })
    // A start looks the columns up.
    await follower.crash()
    await follower.until(isThere)
    assert.deepEqual(row(world, follower, 't', '1'), ['a=2', 'id=1'])
    assert.deepEqual(row(world, follower, 't', '3'), ['a=3', 'b=3', 'id=3'])
    await world.sql('TRUNCATE TABLE t')
    await assert.rejects(
      follower.until(() => follower.rows.size === 0),
      { code: 'SCHEMA', message: /TRUNCATE/ },
    )
  })

  test(`${server}: a transaction larger than a batch is gone on with in its middle`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql(
      'CREATE TABLE t (id int PRIMARY KEY, v varchar(1000))',
      'CREATE TABLE u (id int PRIMARY KEY, v int)',
    )
    await using follower = await following(world)
    await world.sql('BEGIN')
    for (let from = 0; from < 12_000; from += 2000) {
      const ids = Array.from({ length: 2000 }, (_, at) => from + at)
      await world.sql(
        `INSERT INTO t VALUES ${ids.map((id) => `(${id}, REPEAT('x', 900))`).join(', ')}`,
        `INSERT INTO u VALUES ${ids.map((id) => `(${id}, ${id})`).join(', ')}`,
      )
    }
    await world.sql('COMMIT')
    const key = `${world.database}.u 11999`
    let crashes = 0
    let last = follower.batches
    while (!follower.rows.has(key)) {
      // Between the batches of its two tables, and behind both.
      await follower.step(() => {
        if (follower.batches % 3 > 0) follower.publish()
      })
      if (follower.batches === last || crashes++ > 2) continue
      await follower.crash()
      last = follower.batches
    }
    assert.ok(crashes > 1)
    await catchUp(world, follower)
    const count = (table: string): number =>
      [...follower.rows.keys()].filter((one) => one.includes(`.${table} `)).length
    assert.deepEqual([count('t'), count('u')], [12_000, 12_000])
  })

  test(`${server}: sessions with the row image NOBLOB lose nothing of tables without texts, documents and bytes`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(20))', "INSERT INTO t VALUES (1, 1, 'x')")
    await using follower = await following(world)
    const session = await world.session()
    for (const statement of [
      "SET SESSION binlog_row_image = 'NOBLOB'",
      'INSERT INTO t (id) VALUES (2)',
      'UPDATE t SET a = 2 WHERE id = 1',
      "UPDATE t SET id = 3, b = 'y' WHERE id = 2",
    ])
      await session.query(statement)
    await catchUp(world, follower)
    const rows = ['1', '2', '3'].map((id) => row(world, follower, 't', id))
    assert.deepEqual(rows, [['a=2', 'b="x"', 'id=1'], undefined, ['a=null', 'b="y"', 'id=3']])
  })

  test(`${server}: rows of which the log has a part only, statements and XA transactions halt`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    const cases: readonly (readonly [setting: string, message: RegExp, ...statements: string[]])[] = [
      ["SET SESSION binlog_row_image = 'MINIMAL'", /part of a row/, 'UPDATE t SET a = 2 WHERE id = 1'],
      ["SET SESSION binlog_row_image = 'NOBLOB'", /part of a row/, 'UPDATE t SET a = 2 WHERE id = 1'],
      ["SET SESSION binlog_format = 'STATEMENT'", /binlog_format/, 'UPDATE t SET a = 3 WHERE id = 1'],
      ['DO 0', /XA transaction/, "XA START 'x'", 'UPDATE t SET a = 4', "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"],
    ]
    for (const [setting, message, ...statements] of cases) {
      await world.sql(
        'DROP TABLE IF EXISTS t',
        'CREATE TABLE t (id int PRIMARY KEY, a int, note text)',
        'INSERT INTO t (id, a) VALUES (1, 1)',
      )
      await using follower = await following(world)
      const session = await world.session()
      await session.query(setting)
      for (const statement of statements) await session.query(statement)
      await assert.rejects(catchUp(world, follower), { retry: 'halt', message }, setting)
    }
  })
}

test('a table whose columns change before its initial rows are read halts', async () => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)')
  await using follower = world.follower()
  await follower.discover()
  await world.sql('ALTER TABLE t ADD COLUMN b int DEFAULT 5')
  await assert.rejects(follower.step(), { code: 'SCHEMA', retry: 'halt', message: /have changed since/ })
})

test('mysql: compressed transactions are unpacked', async () => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE t (id int PRIMARY KEY, v varchar(200))')
  await using follower = await following(world)
  const session = await world.session()
  await session.query('SET SESSION binlog_transaction_compression = ON')
  const ids = Array.from({ length: 3000 }, (_, id) => id)
  await session.query(`INSERT INTO t VALUES ${ids.map((id) => `(${id}, REPEAT('${id} ', 20))`).join(', ')}`)
  await session.query("UPDATE t SET v = 'short' WHERE id < 10")
  await catchUp(world, follower)
  assert.deepEqual(row(world, follower, 't', '5'), ['id=5', 'v="short"'])
  assert.deepEqual(row(world, follower, 't', '2999'), ['id=2999', `v=${JSON.stringify('2999 '.repeat(20))}`])
})

for (const server of SERVERS.filter((name) => name !== 'mariadb')) {
  test(`${server}: documents of which the log has the changed parts only come whole`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    const long = 'x'.repeat(300)
    const big = JSON.stringify({ list: Array.from({ length: 9000 }, (_, at) => ({ at, long: 'y' })), '': [] })
    await world.sql(
      'CREATE TABLE t (id int PRIMARY KEY, other json, j json, n int, note varchar(9), last json)',
      `INSERT INTO t VALUES (1, '[]', '{"a": "${long}", "b": {"c d": [1, 2.5, true], "ä\\\\"": null}, "z": 1e300}', 1, 'é', '[[1], "${long}"]'),
         (2, NULL, '["${long}", {"k": {}}]', 1, NULL, NULL), (3, '{}', '${big}', NULL, '', '1')`,
    )
    await using follower = await following(world)
    const session = await world.session()
    await session.query("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'")
    for (const change of [
      `UPDATE t SET j = JSON_SET(j, '$.a', 'short', '$.b."c d"[1]', CAST(9.75 AS DECIMAL(10,2))), last = JSON_REPLACE(last, '$[1]', 5) WHERE id = 1`,
      `UPDATE t SET j = JSON_SET(j, '$.b.nu', JSON_OBJECT('x', 18446744073709551615), '$.bb', CAST('2024-02-29' AS DATE)) WHERE id = 1`,
      `UPDATE t SET j = JSON_REMOVE(j, '$.b."c d"[0]', '$.z'), n = 2 WHERE id = 1`,
      `UPDATE t SET j = JSON_SET(j, '$.b."ä\\\\""', 'ö') WHERE id = 1`,
      `UPDATE t SET j = JSON_SET(j, '$[0]', CAST('[]' AS JSON), '$[1].k', 4) WHERE id < 3`,
      `UPDATE t SET j = JSON_REMOVE(j, '$[0]') WHERE id = 2`,
      `UPDATE t SET j = JSON_SET(j, '$.list[8999].at', -1), other = JSON_SET(other, '$.new', 1) WHERE id = 3`,
      `UPDATE t SET j = JSON_REMOVE(j, '$.list[17]', '$.list[4000].long'), note = 'n' WHERE id = 3`,
      `UPDATE t SET id = 4, j = JSON_SET(j, '$.list[1]', 'moved') WHERE id = 3`,
      `UPDATE t SET j = NULL WHERE id = 2`,
    ]) {
      await session.query(change)
    }
    // Since 8.0.20.
    if (server === 'mysql') await session.query('SET SESSION binlog_transaction_compression = ON')
    await session.query(`UPDATE t SET j = JSON_SET(j, '$.packed', true, '$.a', NULL) WHERE id IN (1, 4)`)
    await catchUp(world, follower)
    await using selected = await following(world)
    for (const id of [1, 2, 4]) {
      assert.deepEqual(row(world, follower, 't', String(id)), row(world, selected, 't', String(id)), `row ${id}`)
    }
    assert.equal(row(world, follower, 't', '3'), undefined)
  })
}

test('mysql: transactions with a tag in their GTID are followed, and gone on with', async () => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE t (id int PRIMARY KEY)')
  await using follower = await following(world)
  for (const id of [1, 2]) {
    await world.sql(
      "SET gtid_next = 'AUTOMATIC:millrace_test'",
      `INSERT INTO t VALUES (${id})`,
      "SET gtid_next = 'AUTOMATIC'",
    )
    await catchUp(world, follower)
    follower.publish()
    await follower.crash()
  }
  const [assignment] = follower.assignments
  assert.match(JSON.stringify(assignment?.at), /millrace_test/)
  assert.ok(row(world, follower, 't', '2') !== undefined)
})

test('mysql: a transaction that comes later with a lower number is not taken for read', async () => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE t (id int PRIMARY KEY)')
  await using follower = await following(world)
  const origin = randomUUID()
  for (const number of [5, 3, 9, 4]) {
    await world.sql(
      `SET gtid_next = '${origin}:${number}'`,
      `INSERT INTO t VALUES (${number})`,
      "SET gtid_next = 'AUTOMATIC'",
    )
    await catchUp(world, follower)
    follower.publish()
    await follower.crash()
    assert.ok(row(world, follower, 't', String(number)) !== undefined, `${number} is there`)
  }
  assert.match(JSON.stringify(follower.assignments[0]?.at), new RegExp(`${origin}:3-5:9`))
})

test('two readers with one server id: who is ended three times says so', async () => {
  await using service = await useDatabase('mysql')
  await using world = await MysqlWorld.create(service.url)
  await world.sql('CREATE TABLE t (id int PRIMARY KEY)')
  await using one = await following(world, { serverId: 3_999_000_000 })
  await using other = await following(world, { serverId: 3_999_000_000 })
  const polled = async (follower: Follower): Promise<unknown> => {
    try {
      for (let times = 0; times < 5; times++) await follower.step()
      return undefined
    } catch (error) {
      // As the engine does it: from the checkpoint, with the same readers.
      await follower.reopen()
      return error
    }
  }
  // Whoever comes later ends the other one, which comes again.
  const failures: unknown[] = []
  while (failures.length < 3) {
    const failure = await polled(one)
    if (failure !== undefined) failures.push(failure)
    await polled(other)
  }
  const messages = failures.map((error) => (error as Error).message)
  assert.match(messages[0] ?? '', /another reader with the server id 3999000000/)
  assert.match(messages[2] ?? '', /give this source another `serverId`/)
})

for (const server of ['mariadb', 'mysql'] as const) {
  test(`${server}: a log that was purged, or is behind what was read, halts`, async () => {
    await using own = await startOwn(server)
    await using world = await MysqlWorld.create(own.url)
    await world.sql('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)')
    await using follower = await following(world)
    await catchUp(world, follower)
    follower.publish()
    await follower.stop()
    await world.sql('INSERT INTO t VALUES (2)', 'FLUSH LOGS', 'INSERT INTO t VALUES (3)', 'FLUSH LOGS')
    const [status] = await world.connection.query(server === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS')
    await world.sql(`PURGE BINARY LOGS TO '${status?.[0]}'`)
    await assert.rejects(follower.verify(), { code: 'POSITION_LOST', retry: 'halt' })
    // Nobody asked before: the server itself refuses.
    await follower.crash()
    await assert.rejects(catchUp(world, follower), { code: 'POSITION_LOST', retry: 'halt' })
    await world.sql(server === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER')
    await assert.rejects(follower.verify(), { code: 'POSITION_AHEAD', retry: 'halt' })
  })
}

async function startOwn(server: DatabaseName): Promise<Awaited<ReturnType<typeof startDatabase>> & AsyncDisposable> {
  const service = await startDatabase(server)
  return Object.assign(service, { [Symbol.asyncDispose]: () => service.stop() })
}
