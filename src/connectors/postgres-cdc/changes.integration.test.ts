import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

function sourceOf(database: PostgresDatabase, options: object = {}): FollowedSource {
  const slot = `${database.name}_slot`
  const parsed = postgresCdcOptions.parse({ ...database.options, table: 't', slot, ...options })
  return new FollowedSource(new PostgresCdcSource(parsed))
}

suite('changes of a Postgres table', () => {
  test('the rows that are there come first, then each change in the order of the commits', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY, word text)')
    await database.sql(`INSERT INTO t VALUES (1, 'one'), (2, NULL)`)
    await using source = sourceOf(database, { changeColumns: ['_op'] })
    await source.start()
    await source.readUntil(() => source.records.length === 2 && source.positions.has('wal'))
    await database.sql(`BEGIN; UPDATE t SET word = 'two' WHERE id = 2; UPDATE t SET id = 3 WHERE id = 1; COMMIT`)
    await database.sql(`DELETE FROM t WHERE id = 2`)
    await database.sql(`INSERT INTO t VALUES (4, 'a "quoted"' || chr(10) || 'line')`)
    await source.readUntil(() => source.records.length === 7)
    assert.deepEqual(source.records, [
      '{"id":1,"word":"one","__op":0,"_op":"r"}',
      '{"id":2,"word":null,"__op":0,"_op":"r"}',
      '{"id":2,"word":"two","__op":0,"_op":"u"}',
      '{"id":1,"word":null,"__op":1,"_op":"d"}',
      '{"id":3,"word":"one","__op":0,"_op":"c"}',
      '{"id":2,"word":null,"__op":1,"_op":"d"}',
      '{"id":4,"word":"a \\"quoted\\"\\u000aline","__op":0,"_op":"c"}',
    ])
  })
})
