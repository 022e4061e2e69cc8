import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { FollowedSlices, makeDatabase, sliceSource } from '../../testkit/slice-tables.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

test('a user who may only read the table is enough', async () => {
  await using tables = await makeDatabase(server.url)
  const [[database] = []] = await tables.run('SELECT current_database()')
  const user = `reader_of_${String(database)}`
  await tables.run(`CREATE ROLE ${user} LOGIN PASSWORD 'reader'`)
  try {
    await tables.run(
      `CREATE TABLE t (id bigserial PRIMARY KEY); INSERT INTO t VALUES (1); GRANT SELECT ON t TO ${user}`,
    )
    const options = { username: user, password: 'reader', table: 't', column: 'id', interval: '10ms' }
    const source = await sliceSource(postgresSource, tables, options)
    const times = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 1000, retained: 3 }
    assert.deepEqual(await source.check({ ...testSourceContext(), times, schema: undefined, lanes: 1 }), [])
    await using job = new FollowedSlices(source)
    await job.discover()
    await job.readUntil(() => job.records.length === 1)
  } finally {
    await tables.run(`DROP OWNED BY ${user}; DROP ROLE ${user}`)
  }
})

test('connections of a source write nothing, whatever is asked', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run('CREATE TABLE t (id bigserial PRIMARY KEY)')
  const splitsFrom = { query: "INSERT INTO t VALUES (1) RETURNING 'x' AS split" }
  const source = await sliceSource(postgresSource, tables, { table: 't', column: 'id', splitsFrom })
  const enumerator = source.enumerator(testSourceContext())
  await assert.rejects(enumerator.discover(new Set(), true))
  await enumerator.close()
  assert.deepEqual(await tables.run('SELECT * FROM t'), [])
})
