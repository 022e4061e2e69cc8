/** What the server is told, and what it can no longer give. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startDatabase, useDatabase } from '../../../scripts/services/databases.ts'
import { endWalsender, formatLsn, parseLsn, readSlot } from '../../clients/postgres-replication/index.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import { connectionOptions } from './connect.ts'
import { openStream } from './open-stream.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'
import { leftAt } from './verify-position.ts'

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

/** A table with one row that was read, and the source that stands behind it. */
async function readOnce(database: PostgresDatabase): Promise<FollowedSource> {
  await database.sql('CREATE TABLE t (id int PRIMARY KEY)')
  await database.sql('INSERT INTO t VALUES (1)')
  const source = sourceOf(database)
  await source.start()
  await source.readUntil(() => source.count === 1 && source.positions.has('wal'))
  await database.sql('INSERT INTO t VALUES (2)')
  await source.readUntil(() => source.count === 2)
  return source
}

function sourceOf(database: PostgresDatabase): FollowedSource {
  const slot = slotOf(database)
  return new FollowedSource(new PostgresCdcSource(postgresCdcOptions.parse({ ...database.options, table: 't', slot })))
}

function slotOf({ name }: PostgresDatabase): string {
  return `${name}_slot`
}

suite('places in the log of a Postgres server', () => {
  test('the server is told what is confirmed, and nothing more', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await using source = await readOnce(database)
    await using session = await database.session()
    const confirmed = async (): Promise<bigint> => (await readSlot(session, slotOf(database)))?.confirmed ?? 0n
    const published = parseLsn(String(source.positions.get('wal')?.['lsn']))
    await source.readUntil(() => true)
    while ((await confirmed()) < published) await source.publish()
    await database.sql('INSERT INTO t SELECT generate_series(3, 1000)')
    await source.readUntil(() => source.count === 1000, { publishes: false })
    assert.equal(await confirmed(), published, 'what was read and not published is kept')
  })

  test('a place that the slot went back before is passed over, not read twice', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await using source = await readOnce(database)
    await using session = await database.session()
    const before = formatLsn((await readSlot(session, slotOf(database)))?.confirmed ?? 0n)
    await database.sql('INSERT INTO t VALUES (3)')
    await source.readUntil(() => source.count === 3)
    assert.ok(parseLsn(String(source.positions.get('wal')?.['lsn'])) > parseLsn(before))
    // The server starts at what was confirmed, which lies before what the checkpoint has.
    await source.start()
    await database.sql('INSERT INTO t VALUES (4)')
    await source.readUntil(() => source.count === 4)
    assert.deepEqual(
      source.records.map((record) => (JSON.parse(record) as { id: number }).id),
      [1, 2, 3, 4],
    )
  })

  test('a slot that is gone, confirmed by somebody else, or of another server halts the job', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await using source = await readOnce(database)
    const wal = walOf(source)
    await source[Symbol.asyncDispose]()
    const enumerator = new PostgresCdcSource(
      postgresCdcOptions.parse({ ...database.options, table: 't', slot: slotOf(database) }),
    ).enumerator(testSourceContext())
    const verify = (at: object, spec: object = {}): Promise<void> =>
      enumerator.verify([{ ...wal, at: { ...wal.at, ...at }, spec: { ...wal.spec, ...spec } }])

    await verify({})
    await assert.rejects(verify({}, { system: '1' }), { code: 'POSITION_LOST', message: /another server/ })
    await assert.rejects(verify({ lsn: 'FFFF/0' }), { code: 'POSITION_AHEAD' })
    await assert.rejects(verify({ timeline: 7 }), { code: 'POSITION_AHEAD' })
    await assert.rejects(verify({ lsn: '0/1' }), { code: 'POSITION_LOST', message: /somebody else confirmed it/ })
    await database.sql(`SELECT pg_drop_replication_slot('${slotOf(database)}') FROM pg_sleep(0)`)
    await assert.rejects(verify({}), { code: 'POSITION_LOST', message: /does not exist any more/ })
    await enumerator.close()
  })

  test('a slot that the server gave up halts the job, and says why', async () => {
    await using own = await startDatabase('postgres', { settings: ['max_slot_wal_keep_size = 16MB'] })
    await using database = await PostgresDatabase.create(own.url)
    await using source = await readOnce(database)
    const wal = walOf(source)
    await source[Symbol.asyncDispose]()
    await database.sql('CREATE TABLE bulk (pad text)')
    for (let part = 0; part < 3; part++) {
      await database.sql(`INSERT INTO bulk SELECT repeat('x', 1000) FROM generate_series(1, 20000)`)
      await database.sql('SELECT pg_switch_wal()')
    }
    await database.sql('CHECKPOINT')
    const options = { ...database.options, table: 't', slot: slotOf(database) }
    const enumerator = new PostgresCdcSource(postgresCdcOptions.parse(options)).enumerator(testSourceContext())
    await assert.rejects(enumerator.verify([wal]), { code: 'POSITION_LOST', message: /max_slot_wal_keep_size/ })
    await enumerator.close()
  })

  test('a slot that another start of the same pipeline holds is taken over, and nobody else’s', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await using source = await readOnce(database)
    await using session = await database.session()
    const holder = async (): Promise<number | undefined> => (await readSlot(session, slotOf(database)))?.activePid
    const first = await holder()
    assert.ok(first !== undefined)
    assert.equal(await endWalsender(session, first, 'millrace another_slot'), false)
    assert.equal(await endWalsender(session, first, `millrace ${slotOf(database)}`), true)
    await assert.rejects(
      source.readUntil(() => false),
      { code: 'UNAVAILABLE', retry: 'restart' },
    )
    await source.start()
    await database.sql('INSERT INTO t VALUES (3)')
    await source.readUntil(() => source.count === 3)
    assert.notEqual(await holder(), first)

    // A publication and a slot of that name, but another pipeline's.
    const names = { slot: slotOf(database), publication: slotOf(database), application: 'millrace of somebody else' }
    const options = postgresCdcOptions.parse({ ...database.options, table: 't' })
    const clock = testSourceContext().clock
    await assert.rejects(
      openStream({ ...connectionOptions(options, names.application) }, session, {
        names,
        from: parseLsn('FFFF/0'),
        clock,
      }),
      { code: 'UNAVAILABLE', message: /somebody else streams from/ },
    )
  })

  test('where a timeline was left is found in its history', () => {
    const history = '1\t0/3000000\tno recovery target specified\n\n2\t5/A0\tafter LSN 5/A0\n'
    assert.equal(leftAt(history, 1), 0x3000000n)
    assert.equal(leftAt(history, 2), 0x5000000a0n)
    assert.equal(leftAt(history, 3), undefined)
  })
})

/** The log, where the last checkpoint goes on with it. */
function walOf(source: FollowedSource): SplitAssignment {
  const wal = source.assignments().find(({ split }) => split === 'wal')
  assert.ok(wal !== undefined)
  return wal
}
