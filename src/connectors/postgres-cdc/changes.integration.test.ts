import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import type { Schema } from '../../core/schema.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

function sourceOf(database: PostgresDatabase, options: object = {}, schema?: Schema): FollowedSource {
  const slot = `${database.name}_slot`
  const parsed = postgresCdcOptions.parse({ ...database.options, table: 't', slot, ...options })
  return new FollowedSource(new PostgresCdcSource(parsed), schema)
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

  test('a large value that an update did not touch is there all the same', async () => {
    for (const identity of ['DEFAULT', 'FULL']) {
      await using database = await PostgresDatabase.create(server.url)
      await database.sql(`CREATE TABLE t (id int PRIMARY KEY, n int, big text, list text[])`)
      await database.sql(`ALTER TABLE t REPLICA IDENTITY ${identity}`)
      await database.sql(`ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER list SET STORAGE EXTERNAL`)
      await using source = sourceOf(database, { start: 'latest' })
      await source.start()
      await source.readUntil(() => source.positions.has('wal'))
      await database.sql(`INSERT INTO t VALUES (1, 0, repeat('"', 3000), ARRAY[repeat('a', 3000)])`)
      await database.sql('UPDATE t SET n = 1')
      await database.sql('UPDATE t SET id = 2')
      await source.readUntil(() => source.last?.startsWith('{"id":2,') === true)
      const big = JSON.stringify('"'.repeat(3000))
      const list = JSON.stringify(['a'.repeat(3000)])
      const gone = identity === 'FULL' ? `"n":1,"big":${big},"list":${list}` : '"n":null,"big":null,"list":null'
      // What is looked up is the row of now: it has its last key by then.
      const inserted = `{"id":1,"n":0,"big":${big},"list":${list},"__op":0}`
      const moved = `{"id":2,"n":1,"big":${big},"list":${list},"__op":0}`
      const records = source.records.filter(
        (record) => record !== `{"id":1,"n":1,"big":${big},"list":${list},"__op":0}`,
      )
      assert.deepEqual(records, [inserted, `{"id":1,${gone},"__op":1}`, moved], identity)
    }
  })

  test('without a place to look large values up, the job halts when it is told to', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql(`CREATE TABLE t (id int PRIMARY KEY, n int, big text)`)
    await database.sql(`ALTER TABLE t ALTER big SET STORAGE EXTERNAL`)
    await database.sql(`INSERT INTO t VALUES (1, 0, repeat('x', 3000))`)
    await using source = sourceOf(database, { start: 'latest', unchangedValues: 'fail' })
    await source.start()
    await database.sql('UPDATE t SET n = 1')
    await assert.rejects(
      source.readUntil(() => source.count === 1),
      { code: 'SCHEMA', message: /REPLICA IDENTITY FULL/ },
    )
  })

  test('a table without a key tells each update as a row less and a row more', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (n int, word text)')
    await database.sql('ALTER TABLE t REPLICA IDENTITY FULL')
    await database.sql(`INSERT INTO t VALUES (1, 'a'), (1, 'a')`)
    await using source = sourceOf(database, { changeColumns: ['_op'] })
    await source.start()
    await source.readUntil(() => source.count === 2 && source.positions.has('wal'))
    await database.sql(`UPDATE t SET word = 'b' WHERE ctid = (SELECT min(ctid) FROM t)`)
    await source.readUntil(() => source.count === 4)
    assert.deepEqual(source.records.slice(2), [
      '{"n":1,"word":"a","__op":1,"_op":"d"}',
      '{"n":1,"word":"b","__op":0,"_op":"c"}',
    ])
  })

  test('columns that come and go are followed as far as the plan goes', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY, a text, b text)')
    const schema = [
      { name: 'id', type: 'integer', nullable: false },
      { name: 'a', type: 'varchar', nullable: true },
      { name: 'b', type: 'varchar', nullable: true },
    ]
    await using source = sourceOf(database, { start: 'latest' }, schema)
    await source.start()
    await database.sql(`INSERT INTO t VALUES (1, 'x', 'y')`)
    await database.sql(`BEGIN; ALTER TABLE t ADD c int; INSERT INTO t VALUES (2, 'x', 'y', 5); COMMIT`)
    await database.sql(`ALTER TABLE t DROP a`)
    await database.sql(`INSERT INTO t VALUES (3, 'y', 6)`)
    await source.readUntil(() => source.count === 3)
    assert.deepEqual(source.records, [
      '{"id":1,"a":"x","b":"y","__op":0}',
      '{"id":2,"a":"x","b":"y","__op":0}',
      '{"id":3,"b":"y","__op":0}',
    ])
    await database.sql('ALTER TABLE t ALTER b TYPE int USING 1')
    await database.sql(`INSERT INTO t VALUES (4, 7, 8)`)
    await assert.rejects(
      source.readUntil(() => source.count === 4),
      { code: 'SCHEMA', message: /column b of public\.t.*integer.*varchar/ },
    )
  })

  test('a TRUNCATE halts the job, unless it is told to pass it over', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY)')
    await using strict = sourceOf(database, { start: 'latest' })
    await strict.start()
    await database.sql('INSERT INTO t VALUES (1)')
    await database.sql('TRUNCATE t')
    await database.sql('INSERT INTO t VALUES (2)')
    await assert.rejects(
      strict.readUntil(() => strict.count === 2),
      { code: 'SCHEMA', message: /public\.t was truncated/ },
    )
    await using lenient = sourceOf(database, { start: 'latest', truncate: 'ignore' })
    await lenient.start()
    await lenient.readUntil(() => lenient.last === '{"id":2,"__op":0}')
  })

  test('a transaction that is cut in its middle goes on there, with nothing twice', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY, pad text)')
    await using source = sourceOf(database, { start: 'latest' })
    await source.start()
    await source.readUntil(() => source.positions.has('wal'))
    await database.sql('INSERT INTO t SELECT n, NULL FROM generate_series(1, 50000) n')
    await source.readUntil(() => source.count > 0)
    assert.ok(source.count < 50_000, 'it was cut')
    await source.start()
    await source.readUntil(() => source.count >= 50_000)
    const ids = source.records.map((record) => (JSON.parse(record) as { id: number }).id)
    assert.deepEqual(
      ids,
      Array.from({ length: 50_000 }, (_, at) => at + 1),
    )
  })

  test('what is committed together with other tables, or rolled back to a savepoint, comes right', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)')
    await using source = sourceOf(database, { start: 'latest', publication: 'everything' })
    await database.sql('CREATE PUBLICATION everything FOR ALL TABLES')
    await source.start()
    await database.sql(
      `BEGIN; INSERT INTO other VALUES (1); INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2);
       ROLLBACK TO s; INSERT INTO t VALUES (3); INSERT INTO other VALUES (2); COMMIT`,
    )
    await source.readUntil(() => source.count === 2)
    assert.deepEqual(source.records, ['{"id":1,"__op":0}', '{"id":3,"__op":0}'])
  })

  test('a read that has an end ends behind the changes that were there, and not in a transaction', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY)')
    await database.sql(`CREATE PUBLICATION mine FOR TABLE t`)
    await database.sql(`SELECT pg_create_logical_replication_slot('${database.name}_slot', 'pgoutput')`)
    await database.sql('INSERT INTO t SELECT generate_series(1, 40000)')
    await using source = sourceOf(database, { start: 'latest', end: 'latest', publication: 'mine' })
    await source.start()
    await database.sql('INSERT INTO t VALUES (0)')
    await source.readUntil(() => source.positions.has('wal') && source.assignments().length === 0)
    assert.equal(source.count, 40_000)
  })

  test('a partitioned table is one table, also when a row moves to another partition', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql(
      `CREATE TABLE t (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
       CREATE TABLE t_old PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
       CREATE TABLE t_new PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
       INSERT INTO t VALUES (1, '2024-05-05')`,
    )
    await using source = sourceOf(database)
    await source.start()
    await source.readUntil(() => source.count === 1 && source.positions.has('wal'))
    await database.sql(`INSERT INTO t VALUES (2, '2025-05-05'); UPDATE t SET day = '2025-06-06' WHERE id = 1`)
    await source.readUntil(() => source.count === 4)
    assert.deepEqual(source.records, [
      '{"id":1,"day":"2024-05-05","__op":0}',
      '{"id":2,"day":"2025-05-05","__op":0}',
      '{"id":1,"day":"2024-05-05","__op":1}',
      '{"id":1,"day":"2025-06-06","__op":0}',
    ])
  })
})
