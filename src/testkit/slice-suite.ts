import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SourceConnector } from '../core/connector.ts'
import type { Finding } from '../core/checkpoint-types.ts'
import { realClock, testSourceContext } from './lane-context.ts'
import { boundedSlices, FollowedSlices, sliceSource, whenWaiting, type SliceDatabase } from './slice-tables.ts'
import { sourceSuite } from './source-suite.ts'

/** A server whose tables are sliced, and how its SQL says what the tests need. */
export interface SlicedServer {
  readonly name: string
  readonly open: () => Promise<SliceDatabase>
  /** A column that the server numbers. */
  readonly serial: string
  /** A type with microseconds whose default is the server's clock. */
  readonly clock: string
  /** Statements that make one writing transaction of their own begin. */
  readonly begin: string
  /** Makes the server guess the rows of a table anew. */
  readonly analyze: (table: string) => string
  /** Behind the columns of a table: what makes its numbers rise. */
  readonly tableOptions: string
  /** Ends all other connections to the database. */
  readonly killOthers: (tables: SliceDatabase) => Promise<void>
  /** A type of texts. */
  readonly columnOfText: string
}

const QUICK = { interval: '10ms', auditAfter: 'never' }

/** What slices promise, on a real server. Call it from the connector's test file. */
export function sliceSuite<O>(server: SlicedServer, connector: SourceConnector<O>): void {
  sourceSuite(`${server.name} slices`, async () => {
    const tables = await server.open()
    await makeTable(tables, server, 1000)
    const records = Array.from({ length: 1000 }, (_, at) => `{"id":${at + 1},"name":"name ${at + 1}"}`)
    return await boundedSlices(connector, tables, { table: 't', column: 'id' }, records)
  })
  describe(`${server.name} slices`, () => {
    lateRowTests(server, connector)
    orderTests(server, connector)
    listTests(server, connector)
    refusalTests(server, connector)
  })
}

async function makeTable(tables: SliceDatabase, server: SlicedServer, rows: number): Promise<void> {
  await tables.run(
    `CREATE TABLE t (id ${server.serial} PRIMARY KEY, name ${server.columnOfText}) ${server.tableOptions}`,
  )
  await insert(tables, 1, rows)
  await tables.run(server.analyze('t'))
}

async function insert(tables: SliceDatabase, from: number, to: number): Promise<void> {
  const values = Array.from({ length: to - from + 1 }, (_, at) => `('name ${from + at}')`)
  await tables.run(`INSERT INTO t (name) VALUES ${values.join(', ')}`)
}

function lateRowTests<O>(server: SlicedServer, connector: SourceConnector<O>): void {
  test('a row that is committed late, below what others wrote, is waited for', async () => {
    await using tables = await server.open()
    await makeTable(tables, server, 1)
    const source = await sliceSource(connector, tables, { table: 't', column: 'id', ...QUICK })
    const waiting = whenWaiting()
    await using job = new FollowedSlices(source, waiting.context)
    await job.discover()
    await job.readUntil(() => job.records.length === 1)
    await using late = await tables.session()
    await late.run(server.begin)
    await late.run("INSERT INTO t (name) VALUES ('late')")
    await insert(tables, 3, 3)
    const reading = job.readUntil(() => job.records.length === 3)
    await waiting.begun
    assert.equal(job.records.length, 1)
    await late.run('COMMIT')
    await reading
    assert.deepEqual(job.records.map(nameOf), ['name 1', 'late', 'name 3'])
  })

  test('with a clock for a key, a transaction that began before is waited for too', async () => {
    await using tables = await server.open()
    await tables.run(
      `CREATE TABLE t (id ${server.serial} PRIMARY KEY, name ${server.columnOfText}, at ${server.clock}) ${server.tableOptions}`,
    )
    await using late = await tables.session()
    await late.run(server.begin)
    await late.run("INSERT INTO t (name) VALUES ('late')")
    await insert(tables, 2, 2)
    const source = await sliceSource(connector, tables, { table: 't', column: 'at', columns: ['name'], ...QUICK })
    const waiting = whenWaiting()
    await using job = new FollowedSlices(source, waiting.context)
    const reading = job.discover().then(async () => await job.readUntil(() => job.records.length === 2))
    await waiting.begun
    await late.run('COMMIT')
    await reading
    assert.deepEqual(job.records.map(nameOf), ['late', 'name 2'])
  })

  test('rows that come below the bookmark against the rules are noticed by counting again', async () => {
    await using tables = await server.open()
    await tables.run(
      `CREATE TABLE t (id ${server.serial} PRIMARY KEY, name ${server.columnOfText}) ${server.tableOptions}`,
    )
    await tables.run("INSERT INTO t (id, name) VALUES (10, 'a'), (20, 'b')")
    const options = { table: 't', column: 'id', interval: '10ms', auditAfter: '100ms' }
    const source = await sliceSource(connector, tables, options)
    // Counting again is not due before the row is there, however long that takes.
    let now = 0
    await using job = new FollowedSlices(source, { clock: { ...realClock, now: () => now } })
    await job.discover()
    await job.readUntil(() => job.records.length === 2)
    await tables.run("INSERT INTO t (id, name) VALUES (15, 'below')")
    now = 1000
    await assert.rejects(
      job.readUntil(() => job.records.length > 2),
      { code: 'ACCOUNTING', retry: 'halt' },
    )
  })
}

function orderTests<O>(server: SlicedServer, connector: SourceConnector<O>): void {
  test('rows with equal values are all read once, wherever reading stops', async () => {
    await using tables = await server.open()
    await tables.run(
      `CREATE TABLE t (id ${server.serial} PRIMARY KEY, name ${server.columnOfText}, n integer NOT NULL)`,
    )
    const values = Array.from({ length: 300 }, (_, at) => `('row ${at}', ${Math.floor(at / 100)})`)
    await tables.run(`INSERT INTO t (name, n) VALUES ${values.join(', ')}`)
    const options = { table: 't', column: 'n', columns: ['name', 'n'], pageRows: 7, initialSlices: 1, end: 'latest' }
    const source = await sliceSource(connector, tables, options)
    await using job = new FollowedSlices(source)
    await job.discover()
    for (let turn = 0; job.records.length < 300; turn++) {
      await job.readUntil(() => job.records.length >= 300, 1 + (turn % 4))
      await job.restart()
    }
    assert.equal(new Set(job.records).size, 300)
    assert.equal(job.records.length, 300)
  })

  test('ranges come first, what is written meanwhile comes behind them, once', async () => {
    await using tables = await server.open()
    await makeTable(tables, server, 500)
    const options = { table: 't', column: 'id', pageRows: 50, initialSlices: 3, ...QUICK }
    await using job = new FollowedSlices(await sliceSource(connector, tables, options))
    await job.discover()
    assert.deepEqual([...job.splits.keys()], ['t/1-3', 't/2-3', 't/3-3'])
    await insert(tables, 501, 550)
    await job.readUntil(() => job.records.length >= 550)
    await insert(tables, 551, 560)
    await job.readUntil(() => job.records.length >= 560)
    assert.ok(job.splits.has('t/rest'))
    assert.deepEqual(
      job.records.map(nameOf).toSorted(),
      Array.from({ length: 560 }, (_, at) => `name ${at + 1}`).toSorted(),
    )
    assert.deepEqual(job.records.slice(500).map(nameOf), names(501, 560))
  })

  test('a server that ends connections is asked again, and nothing is lost or doubled', async () => {
    await using tables = await server.open()
    await makeTable(tables, server, 400)
    const options = { table: 't', column: 'id', pageRows: 20, initialSlices: 2, end: 'latest' }
    await using job = new FollowedSlices(await sliceSource(connector, tables, options))
    await job.discover()
    for (let turn = 0; job.records.length < 400; turn++) {
      if (turn < 3) await server.killOthers(tables)
      await job.readUntil(() => job.records.length >= 400, 2)
    }
    assert.deepEqual(job.records.map(nameOf).toSorted(), names(1, 400).toSorted())
  })

  test('a read that begins at the latest row gives only what comes later', async () => {
    await using tables = await server.open()
    await makeTable(tables, server, 20)
    const source = await sliceSource(connector, tables, { table: 't', column: 'id', start: 'latest', ...QUICK })
    await using job = new FollowedSlices(source)
    await job.discover()
    await insert(tables, 21, 23)
    await job.readUntil(() => job.records.length >= 3)
    assert.deepEqual(job.records.map(nameOf), names(21, 23))
  })
}

function listTests<O>(server: SlicedServer, connector: SourceConnector<O>): void {
  test('splits are listed in a table, and the list may change while the job runs', async () => {
    await using tables = await server.open()
    await makeTable(tables, server, 30)
    await tables.run(`CREATE TABLE list (split varchar(20), least integer)`)
    await tables.run("INSERT INTO list VALUES ('low', 0), ('high', 1000)")
    const splitsFrom = { query: 'SELECT split, least, least + 999 AS most FROM list', interval: '100ms' }
    const where = 'id >= :least AND id <= :most'
    const options = { table: 't', column: 'id', splitsFrom, where, ...QUICK }
    await using job = new FollowedSlices(await sliceSource(connector, tables, options))
    await job.discover()
    assert.deepEqual([...job.splits.keys()].toSorted(), ['high/rest', 'low/rest'])
    await job.readUntil(() => job.records.length >= 30)
    // A split that is listed no longer stands still; one that is new begins at its beginning.
    await tables.run("UPDATE list SET least = 500 WHERE split = 'low'")
    await tables.run("INSERT INTO list VALUES ('far', 2000)")
    await job.restart()
    await job.discover()
    await tables.run("INSERT INTO t (id, name) VALUES (400, 'nobody'), (1500, 'high'), (2500, 'far')")
    await job.readUntil(() => job.records.length >= 32)
    assert.deepEqual(job.records.slice(30).map(nameOf).toSorted(), ['far', 'high'])
  })
}

function refusalTests<O>(server: SlicedServer, connector: SourceConnector<O>): void {
  const findings = async (tables: SliceDatabase, options: object): Promise<readonly Finding[]> => {
    const source = await sliceSource(connector, tables, { table: 't', column: 'n', ...options })
    const times = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 1000, retained: 3 }
    return await source.check({ ...testSourceContext(), times, schema: undefined, lanes: 1 })
  }

  test('a column that may be NULL, or that nobody numbers, is refused until it is asked for', async () => {
    await using tables = await server.open()
    await tables.run(`CREATE TABLE t (id ${server.serial} PRIMARY KEY, n bigint) ${server.tableOptions}`)
    const errors = (found: readonly Finding[]): unknown[] =>
      found.filter(({ severity }) => severity === 'error').map(({ path }) => path?.[0])
    assert.deepEqual(errors(await findings(tables, {})), ['nulls', 'assignedBy'])
    assert.deepEqual(errors(await findings(tables, { nulls: 'ignore', assignedBy: 'application' })), [])
    assert.deepEqual(errors(await findings(tables, { column: 'id' })), [])
  })

  test('a condition that the server does not understand is told before anything is read', async () => {
    await using tables = await server.open()
    await tables.run(`CREATE TABLE t (id ${server.serial} PRIMARY KEY, n bigint NOT NULL) ${server.tableOptions}`)
    const conditions = ['n > 1', 'n >', 'm = 1']
    const found = await Promise.all(conditions.map(async (where) => await findings(tables, { column: 'id', where })))
    assert.deepEqual(
      found.map((one) => one.filter(({ severity }) => severity === 'error').map(({ path }) => path?.[0])),
      [[], ['where'], ['where']],
    )
  })

  test('a table without a unique key cannot be sliced, nor one without the column', async () => {
    await using tables = await server.open()
    await tables.run('CREATE TABLE t (n bigint NOT NULL)')
    await assert.rejects(findings(tables, {}), { code: 'CONFIG', message: /no primary key/ })
    await assert.rejects(findings(tables, { column: 'm' }), { code: 'CONFIG', message: /no column m\. It has n\./ })
    await assert.rejects(findings(tables, { table: 'u' }), { code: 'CONFIG', message: /no table u/ })
  })
}

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => `name ${from + at}`)
}

function nameOf(record: string): string {
  return (JSON.parse(record) as { readonly name: string }).name
}
