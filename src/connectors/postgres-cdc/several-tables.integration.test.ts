/** Several tables in one log: rows by table, shapes in order, and nothing lost between the batches of two tables. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

function optionsOf(database: PostgresDatabase, more: object = {}): ReturnType<typeof postgresCdcOptions.parse> {
  const slot = `${database.name}_slot`
  return postgresCdcOptions.parse({ ...database.options, tables: ['public\\.t.*'], slot, ...more })
}

function sourceOf(database: PostgresDatabase, more: object = {}): FollowedSource {
  return new FollowedSource(new PostgresCdcSource(optionsOf(database, more)))
}

suite('several tables of a Postgres database', () => {
  test('each table has its rows and changes in order, wherever the reader crashes between them', async () => {
    await using database = await PostgresDatabase.create(server.url)
    const tables = ['t1', 't2', 't.3']
    for (const table of tables)
      await database.sql(`CREATE TABLE "${table}" (id int PRIMARY KEY, doc jsonb, list int[])`)
    await database.sql('CREATE TABLE other (id int PRIMARY KEY)')
    for (const table of tables) await database.sql(`INSERT INTO "${table}" VALUES (0, '{"a": 1}', '{1}')`)
    await using source = sourceOf(database)
    await source.start()
    await source.readUntil(() => source.count === 3 && source.positions.has('wal'))
    for (let id = 1; id <= 40; id++) {
      const inserts = tables.map((table) => `INSERT INTO "${table}" (id) VALUES (${id})`)
      await database.sql(`BEGIN; ${inserts.join('; ')}; INSERT INTO other VALUES (${id}); COMMIT`)
    }
    while (source.count < 3 + 3 * 40) await source.readOneItem()
    const expected = Array.from({ length: 40 }, (_, at) => `{"id":${at + 1},"doc":null,"list":null,"__op":0}`)
    for (const table of tables) {
      const name = `public.${table.replaceAll('.', '\\.')} `
      const mine = source.records.filter((record) => record.startsWith(name)).map((record) => record.slice(name.length))
      assert.deepEqual(mine, ['{"id":0,"doc":"{\\"a\\": 1}","list":"[1]","__op":0}', ...expected], table)
    }
  })

  test('tables are told to sinks as they are', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql(
      'CREATE TABLE t (a text, b varchar(7), k bigint NOT NULL, n numeric(10,2) NOT NULL, PRIMARY KEY (k, b))',
    )
    const enumerator = new PostgresCdcSource(optionsOf(database)).enumerator(testSourceContext())
    const [table, ...others] = (await enumerator.tables?.()) ?? []
    assert.deepEqual(others, [])
    assert.deepEqual([table?.id, table?.database, table?.name, table?.key], ['public.t', 'public', 't', ['k', 'b']])
    assert.deepEqual(table?.columns, [
      { name: 'a', type: 'varchar', nullable: true, native: 'text' },
      { name: 'b', type: 'varchar', nullable: false, length: 7, native: 'varchar' },
      { name: 'k', type: 'bigint', nullable: false, native: 'int8' },
      { name: 'n', type: 'decimal(10,2)', nullable: false, native: 'numeric' },
    ])
    await enumerator.close()
  })

  test('shapes change between the rows, and a TRUNCATE comes in its place', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id int PRIMARY KEY, a text)')
    await using source = sourceOf(database, { start: 'latest', publication: 'all_tables' })
    await database.sql('CREATE PUBLICATION all_tables FOR ALL TABLES')
    await source.start()
    await database.sql(`INSERT INTO t VALUES (1, 'x')`)
    await source.readUntil(() => source.count === 1)
    await database.sql('ALTER TABLE t ADD b int')
    await database.sql(`INSERT INTO t VALUES (2, 'y', 3)`)
    await source.readUntil(() => source.count === 3)
    await database.sql(`INSERT INTO t VALUES (3); TRUNCATE t; INSERT INTO t VALUES (4)`)
    await source.readUntil(() => source.count === 6)
    // A shape that is older than what sinks know is fitted into it, and told nobody.
    await database.sql(`INSERT INTO t VALUES (5, 'z', 6)`)
    await database.sql('ALTER TABLE t DROP a')
    await database.sql('INSERT INTO t VALUES (6, 7)')
    await source.start()
    await source.readUntil(() => source.last === 'public.t {"id":6,"b":7,"__op":0}')
    assert.deepEqual(source.records, [
      'public.t {"id":1,"a":"x","__op":0}',
      'public.t: {"kind":"add-columns","columns":["b"]}',
      'public.t {"id":2,"a":"y","b":3,"__op":0}',
      'public.t {"id":3,"a":null,"b":null,"__op":0}',
      'public.t: {"kind":"truncate"}',
      'public.t {"id":4,"a":null,"b":null,"__op":0}',
      'public.t {"id":5,"b":6,"__op":0}',
      'public.t {"id":6,"b":7,"__op":0}',
    ])
  })

  test('tables that came later and must not be published are told of with what to do, and come when it is done', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t1 (id int PRIMARY KEY)')
    const reader = `${database.name}_reader`
    await database.sql(`CREATE ROLE ${reader} LOGIN REPLICATION PASSWORD 'secret'`)
    await using stack = new AsyncDisposableStack()
    stack.defer(async () => void (await database.sql(`DROP OWNED BY ${reader}; DROP ROLE ${reader}`)))
    await database.sql(`CREATE PUBLICATION pub FOR TABLE t1; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${reader}`)
    const options = { publication: 'pub', username: reader, password: 'secret' }
    await using source = sourceOf(database, options)
    await source.start()
    await source.readUntil(() => source.positions.has('wal'))
    const check = async (): Promise<(string | undefined)[]> => {
      const context = { ...testSourceContext(), schema: undefined, lanes: 1 }
      const findings = await new PostgresCdcSource(optionsOf(database, options)).check(context)
      return findings.flatMap(({ severity, hint }) => (severity === 'warning' ? [hint] : []))
    }
    assert.deepEqual(await check(), [])
    await database.sql('CREATE TABLE t2 (id int PRIMARY KEY); CREATE TABLE t3 (id int)')
    await database.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${reader}; INSERT INTO t2 VALUES (1)`)
    const [add, identity] = await check()
    assert.equal(add, 'ALTER PUBLICATION "pub" ADD TABLE "public"."t2"; its rows and changes are read then.')
    assert.match(identity ?? '', /REPLICA IDENTITY FULL/)
    await database.sql(add?.split(';')[0] ?? '')
    await source.readUntil(() => source.last === 'public.t2 {"id":1,"__op":0}')
  })
})
