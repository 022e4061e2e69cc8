import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { FollowedSlices, makeDatabase, sliceSource } from '../../testkit/slice-tables.ts'
import { mysqlSource } from './slices.ts'

const server = await useDatabase('mariadb')
after(() => server[Symbol.asyncDispose]())

test('a user who may not see the transactions of others is told so, and reads when it may', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run('CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY)')
  await tables.run('INSERT INTO t VALUES (1)')
  const [[database] = []] = await tables.run('SELECT DATABASE()')
  const user = String(database).slice(0, 30)
  await tables.run(`CREATE USER '${user}'@'%' IDENTIFIED BY 'reader'`)
  try {
    await tables.run(`GRANT SELECT ON ${String(database)}.* TO '${user}'@'%'`)
    const options = { username: user, password: 'reader', table: 't', column: 'id', interval: '10ms' }
    const source = await sliceSource(mysqlSource, tables, options)
    const errors = async (): Promise<string[]> => {
      const times = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 1000, retained: 3 }
      const findings = await source.check({ ...testSourceContext(), times, schema: undefined, lanes: 1 })
      return findings.filter(({ severity }) => severity === 'error').map(({ message }) => message)
    }
    const [told = '', ...others] = await errors()
    assert.match(told, /GRANT PROCESS/)
    assert.deepEqual(others, [])
    await tables.run(`GRANT PROCESS ON *.* TO '${user}'@'%'`)
    assert.deepEqual(await errors(), [])
    await using job = new FollowedSlices(source)
    await job.discover()
    await job.readUntil(() => job.records.length === 1)
  } finally {
    await tables.run(`DROP USER '${user}'@'%'`)
  }
})

test('connections of a source write nothing, whatever is asked', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run('CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY)')
  const splitsFrom = { query: 'INSERT INTO t VALUES (1)' }
  const source = await sliceSource(mysqlSource, tables, { table: 't', column: 'id', splitsFrom })
  const enumerator = source.enumerator(testSourceContext())
  await assert.rejects(enumerator.discover(new Set(), true))
  await enumerator.close()
  assert.deepEqual(await tables.run('SELECT * FROM t'), [])
})
