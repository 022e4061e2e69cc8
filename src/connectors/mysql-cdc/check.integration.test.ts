/** What is looked at before a start, and that the documented grants are enough for everything. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'
import { mysqlCdcOptions, type MysqlCdcOptions } from './options.ts'
import { MysqlCdcSource } from './source.ts'

const PASSWORD = 'reader-secret'

for (const server of ['mariadb', 'mysql', 'mysql80'] as const) {
  test(`${server}: a user with the documented grants can check, read everything and follow`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    const username = world.database
    const extra = world.isMariadb ? ', BINLOG MONITOR' : ''
    await world.sql(
      `CREATE USER '${username}'@'%' IDENTIFIED BY '${PASSWORD}'`,
      `GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT${extra} ON *.* TO '${username}'@'%'`,
      'CREATE TABLE t (id int PRIMARY KEY)',
      'INSERT INTO t VALUES (1)',
    )
    try {
      const reader = { username, password: PASSWORD }
      assert.deepEqual(await findings(world, reader), [])
      await using follower = world.follower(reader)
      await follower.discover()
      await follower.until(() => follower.isFollowingLog)
      await world.sql('INSERT INTO t VALUES (2)')
      await follower.until(() => follower.rows.has(`${world.database}.t 2`))
      assert.deepEqual(
        [...follower.rows.keys()],
        [1, 2].map((id) => `${world.database}.t ${id}`),
      )
    } finally {
      await world.sql(`DROP USER '${username}'@'%'`)
    }
  })

  test(`${server}: tables without a key, cascades and wrong passwords are found`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    await world.sql(
      'CREATE TABLE parent (id int PRIMARY KEY)',
      'CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)',
      'CREATE TABLE keyless (id int)',
      "CREATE TABLE odd (e enum('a', 'b') PRIMARY KEY)",
    )
    const found = await findings(world)
    // From 9.6 on the server logs what a key takes along.
    assert.equal(found.filter((text) => /^warning.*child.*CASCADE/.test(text)).length, server === 'mysql' ? 0 : 1)
    assert.equal(found.filter((text) => /^error.*keyless has no primary key/.test(text)).length, 1)
    assert.equal(found.filter((text) => /^error.*odd.*enum/.test(text)).length, 1)
    const [refused, ...others] = await findings(world, { password: 'wrong' })
    assert.match(refused ?? '', /^error AUTH/)
    assert.doesNotMatch(refused ?? '', /wrong/)
    assert.deepEqual(others, [])
    const missing = await findings(world, { table: `${world.database}.nothing` })
    assert.equal(missing.filter((text) => text.startsWith('error SCHEMA')).length, 1)
  })
}

async function findings(world: MysqlWorld, options: object = {}): Promise<string[]> {
  const parsed: MysqlCdcOptions = mysqlCdcOptions.parse({ ...world.sourceOptions(options) })
  const found = await new MysqlCdcSource(parsed).check({ ...testSourceContext(), schema: undefined, lanes: 1 })
  const about = found.filter(({ severity }) => severity !== 'info')
  return about.map(({ severity, code, message }) => `${severity} ${code} ${message}`)
}
