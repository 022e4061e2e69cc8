/** The initial read while the table changes, with crashes: every row and every change comes once. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { FollowedSource } from '../../testkit/followed-source.ts'
import { PostgresDatabase } from '../../testkit/postgres-database.ts'
import type { PgConnection } from '../../clients/postgres-replication/index.ts'
import { postgresCdcOptions } from './options.ts'
import { PostgresCdcSource } from './source.ts'

const ROWS = 36_000

const CASES: readonly (readonly [what: string, table: string])[] = [
  [
    'in parts, by two columns',
    "CREATE TABLE t (id numeric, two timestamptz DEFAULT '0944-03-15 12:00:00.5+01', seq int, pad text, PRIMARY KEY (id, two))",
  ],
  [
    'in parts, by a text whose order the server alone knows',
    'CREATE TABLE t (id text COLLATE "en-x-icu" PRIMARY KEY, seq int, pad text)',
  ],
  // What all others are used to.
  ...(process.env['MILLRACE_FULL'] === '1'
    ? ([['in parts, by a number', 'CREATE TABLE t (id int PRIMARY KEY, seq int, pad text)']] as const)
    : []),
]

let server: Awaited<ReturnType<typeof useDatabase>>

before(async () => {
  server = await useDatabase('postgres')
})

after(() => server[Symbol.asyncDispose]())

suite('the hand-over from the initial read to the log', () => {
  for (const [what, table] of CASES) {
    test(`each change comes once, ${what}, while others write and the reader crashes`, async () => {
      await using database = await PostgresDatabase.create(server.url)
      await database.sql(table)
      await database.sql(`INSERT INTO t (id, seq, pad) SELECT n, 0, repeat('x', 40) FROM generate_series(1, ${ROWS}) n`)
      await database.sql('ANALYZE t')
      await using source = sourceOf(database, { chunkRows: 18_000, changeColumns: ['_op', '_position'] })
      await using writers = await Writers.start(database, 3)
      await source.start()
      // Crashes: in the middle of the first part, of the last one, and of the log.
      await source.readUntil(() => source.count > 10_000, { publishes: false })
      await source.publish()
      await source.start()
      await source.readUntil(() => source.count > ROWS / 2)
      await source.readUntil(() => source.count > ROWS / 2 + 10_000, { publishes: false })
      await source.start()
      await source.readUntil(() => source.positions.has('wal'))
      await source.readUntil(() => source.count > ROWS + 300)
      await source.readUntil(() => source.count > ROWS + 600, { publishes: false })
      await source.start()
      await writers.stop()
      await database.sql('INSERT INTO t (id) VALUES (-1)')
      await source.readUntil(() => /"id":"?-1"?,/.test(source.last ?? ''))

      const { rows, order } = replay(source.records, true)
      assert.deepEqual([...rows.values()].toSorted(), await rowsOf(database))
      assert.ok(order, 'positions sort as changes do')
    })
  }

  test('a table without a key makes one part, which begins anew after a crash and converges', async () => {
    await using database = await PostgresDatabase.create(server.url)
    await database.sql('CREATE TABLE t (id numeric NOT NULL UNIQUE, seq int, pad text)')
    await database.sql('ALTER TABLE t REPLICA IDENTITY FULL')
    await database.sql(`INSERT INTO t SELECT n, 0, repeat('x', 40) FROM generate_series(1, ${ROWS}) n`)
    await using source = sourceOf(database, { chunkRows: 1000, changeColumns: ['_op', '_position'] })
    await using writers = await Writers.start(database, 2)
    await source.start()
    await source.readUntil(() => source.count > 10_000, { publishes: false })
    await source.publish()
    // Seen by the second snapshot only: its delete must come all the same.
    await database.sql('DELETE FROM t WHERE id < 20')
    await source.start()
    await source.readUntil(() => source.positions.has('wal'))
    await writers.stop()
    await database.sql('INSERT INTO t (id) VALUES (-1)')
    await source.readUntil(() => source.last?.includes('"id":"-1"') === true)
    const { rows } = replay(source.records, false)
    assert.deepEqual([...rows.values()].toSorted(), await rowsOf(database))
  })
})

function sourceOf(database: PostgresDatabase, options: object): FollowedSource {
  const slot = `${database.name}_slot`
  const parsed = postgresCdcOptions.parse({ ...database.options, table: 't', slot, ...options })
  return new FollowedSource(new PostgresCdcSource(parsed))
}

interface Change {
  readonly id: number | string
  readonly seq: number | null
  readonly _op: string
  readonly _position: string
}

/** The table that the records make; strictly, each of them has to follow from what there is. */
function replay(records: readonly string[], isStrict: boolean): { rows: Map<string, string>; order: boolean } {
  const rows = new Map<string, string>()
  let position = ''
  let order = true
  for (const record of records) {
    const { id, seq, _op, _position } = JSON.parse(record) as Change
    const key = String(id)
    if (isStrict) assert.equal(rows.has(key), _op === 'u' || _op === 'd', `${_op} of ${key} after ${rows.get(key)}`)
    if (_op === 'd') rows.delete(key)
    else rows.set(key, `${key} ${seq ?? ''}`)
    if (_op !== 'r') order &&= position <= _position
    if (_op !== 'r') position = _position
  }
  return { rows, order }
}

async function rowsOf(database: PostgresDatabase): Promise<string[]> {
  const rows = await database.sql(`SELECT id || ' ' || coalesce(seq::text, '') FROM t`)
  return rows.map(([text]) => text ?? '').toSorted()
}

/** Sessions that insert, update and delete rows, now and then two at once or not at all after all. */
class Writers implements AsyncDisposable {
  #isStopped = false
  readonly #running: Promise<void>

  static async start(database: PostgresDatabase, count: number): Promise<Writers> {
    const sessions = await Promise.all(Array.from({ length: count }, () => database.session()))
    return new Writers(sessions)
  }

  private constructor(sessions: readonly Awaited<ReturnType<PostgresDatabase['session']>>[]) {
    this.#running = Promise.all(
      sessions.map(async (session) => {
        while (!this.#isStopped) await write(session)
        session.close()
      }),
    ).then(() => undefined)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function statement(): string {
  const id = 1 + randomInt(ROWS)
  switch (randomInt(6)) {
    case 0:
      return `INSERT INTO t (id, seq) VALUES ('${ROWS + randomInt(100_000_000)}', 1) ON CONFLICT DO NOTHING`
    case 1:
      return `DELETE FROM t WHERE id = '${id}'`
    case 2:
      // To another part, as long as nobody is there.
      return `UPDATE t SET id = '${-2 - randomInt(100_000_000)}' WHERE id = '${id}'`
    case 3:
      return `BEGIN; UPDATE t SET seq = -1 WHERE id = '${id}'; ROLLBACK`
    case 4:
      return `BEGIN; UPDATE t SET seq = seq + 1 WHERE id = '${id}'; UPDATE t SET seq = seq + 1 WHERE id = '${id + 1}'; COMMIT`
    default:
      return `UPDATE t SET seq = seq + 1 WHERE id IN ('${id}', '${id + 1}', '${id + 2}')`
  }
}

/** The server ends one of two sessions that wait for each other. */
async function write(session: PgConnection): Promise<void> {
  try {
    await session.query(statement(), 'writing')
  } catch (error) {
    if (!(error instanceof Error) || !/deadlock/.test(error.message)) throw error
    await session.query('ROLLBACK', 'writing')
  }
}
