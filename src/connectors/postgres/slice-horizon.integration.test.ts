import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { FollowedSlices, makeDatabase, sliceSource, whenWaiting } from '../../testkit/slice-tables.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

/** Rows of a transaction that was begun before others wrote come before theirs, once `finish` has ended it. */
async function comesInOrder(
  make: string,
  late: readonly string[],
  finish: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await using tables = await makeDatabase(server.url)
  await tables.run(make)
  await using other = await tables.session()
  for (const statement of late) await other.run(statement)
  await tables.run("INSERT INTO t (name) VALUES ('early')")
  const source = await sliceSource(postgresSource, tables, {
    table: 't',
    column: 'id',
    columns: ['name'],
    interval: '10ms',
    ...options,
  })
  const waiting = whenWaiting()
  await using job = new FollowedSlices(source, waiting.context)
  const reading = job.discover().then(async () => await job.readUntil(() => job.records.length === 2))
  await waiting.begun
  await other.run(finish)
  await reading
  assert.deepEqual(job.records, ['{"name":"late"}', '{"name":"early"}'])
}

const PLAIN = 'CREATE TABLE t (id bigserial PRIMARY KEY, name text)'

test('a transaction that was prepared is waited for, although its session has ended', async () => {
  await comesInOrder(
    PLAIN,
    ['BEGIN', "INSERT INTO t (name) VALUES ('late')", "PREPARE TRANSACTION 'slices-test'"],
    "COMMIT PREPARED 'slices-test'",
  )
})

test('a writer of one partition is waited for', async () => {
  await comesInOrder(
    `CREATE TABLE t (id bigserial PRIMARY KEY, name text) PARTITION BY RANGE (id);
     CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (1000)`,
    ['BEGIN', "INSERT INTO t_1 (id, name) VALUES (nextval('t_id_seq'), 'late')"],
    'COMMIT',
  )
})

test('a number that an application took before it wrote is waited for when the pipeline says so', async () => {
  await comesInOrder(
    PLAIN,
    ['BEGIN', "SELECT nextval('t_id_seq')"],
    "INSERT INTO t (id, name) VALUES (1, 'late'); COMMIT",
    { assignedBy: 'application' },
  )
})

test('a long reader holds nobody up', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run(`${PLAIN}; INSERT INTO t (name) VALUES ('a')`)
  await using reader = await tables.session()
  await reader.run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t')
  const source = await sliceSource(postgresSource, tables, { table: 't', column: 'id', columns: ['name'] })
  await using job = new FollowedSlices(source)
  await job.discover()
  await job.readUntil(() => job.records.length === 1)
  await reader.run('COMMIT')
})

test('numbers of transactions need no waiting: what is open stays behind the end', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run(
    'CREATE TABLE t (tx xid8 NOT NULL DEFAULT pg_current_xact_id(), id bigserial, name text, PRIMARY KEY (tx, id))',
  )
  await using late = await tables.session()
  await tables.run("INSERT INTO t (name) VALUES ('first')")
  await late.run("BEGIN; INSERT INTO t (name) VALUES ('late')")
  await tables.run("INSERT INTO t (name) VALUES ('second')")
  const source = await sliceSource(postgresSource, tables, {
    table: 't',
    column: 'tx',
    columns: ['name'],
    interval: '10ms',
  })
  await using job = new FollowedSlices(source)
  await job.discover()
  await job.readUntil(() => job.records.length === 1)
  await late.run('COMMIT')
  await job.readUntil(() => job.records.length === 3)
  assert.deepEqual(job.records, ['{"name":"first"}', '{"name":"late"}', '{"name":"second"}'])
})

test('with a safe lag rows are given when they are so old, whoever has a transaction open', async () => {
  await using tables = await makeDatabase(server.url)
  await tables.run(`${PLAIN}; INSERT INTO t (name) VALUES ('a')`)
  await using open = await tables.session()
  await open.run("BEGIN; INSERT INTO t (name) VALUES ('b')")
  let now = 0
  const clock = {
    now: () => now,
    sleep: async () => await new Promise<void>((resolve) => setImmediate(resolve)),
    after: () => () => undefined,
  }
  const source = await sliceSource(postgresSource, tables, {
    table: 't',
    column: 'id',
    columns: ['name'],
    safeLag: '5s',
  })
  await using job = new FollowedSlices(source, { clock })
  await job.discover()
  await job.readUntil(() => (now += 100) > 4000)
  assert.deepEqual(job.records, [])
  await job.readUntil(() => (now += 100) > 0 && job.records.length === 1)
  await open.run('ROLLBACK')
})
