import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { parseLsn, type PgConnection } from '../../../src/clients/postgres-replication/index.ts'
import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import type { Emulator } from '../../../src/testkit/emulators/options.ts'
import type { CommandLine } from '../command-line.ts'
import { openTransactions, sinkOf, startWarehouse } from '../faults-kit/warehouse.ts'
import type { Chance } from '../kit/chance.ts'
import { endedWell, type Killable } from '../kit/kills.ts'
import { assertBalanced, PipelineHome } from '../kit/pipeline-home.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'seq', type: 'INT' },
  { name: 'price', type: 'DECIMAL(30,10)' },
  { name: 'at', type: 'DATETIME' },
  { name: 'word', type: 'VARCHAR(200)' },
] as const

const TABLE =
  'CREATE TABLE events (id bigint PRIMARY KEY, seq int, price numeric(30,10), at timestamp DEFAULT clock_timestamp(), word text)'

/** One job that mirrors a Postgres table, with sessions that change it and an audit that compares both tables. */
export class TableWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly database: PostgresDatabase
  readonly warehouse: Emulator
  readonly topic: { append(rows: number): Promise<void> }
  #session: PgConnection
  readonly #stack: AsyncDisposableStack

  private constructor(
    {
      home,
      database,
      warehouse,
      session,
      chance,
    }: Pick<TableWorld, 'home' | 'database' | 'warehouse'> & {
      readonly session: PgConnection
      readonly chance: Chance
    },
    stack: AsyncDisposableStack,
  ) {
    this.home = home
    this.database = database
    this.warehouse = warehouse
    this.#session = session
    this.#stack = stack
    let top = 1_000_000
    this.topic = {
      append: async (rows) => {
        for (let done = 0; done < rows; done += 10)
          await this.#session.query(
            changes(chance, () => top++),
            'changing',
          )
      },
    }
  }

  static async create(
    url: string,
    chance: Chance,
    { rows, parts }: { rows: number; parts: number },
  ): Promise<TableWorld> {
    await using stack = new AsyncDisposableStack()
    const database = stack.use(await PostgresDatabase.create(url))
    const home = stack.use(await PipelineHome.create())
    const table = { database: 'demo', table: 'events', model: 'primary', keys: ['id'], columns: COLUMNS } as const
    const warehouse = stack.use(await startWarehouse('starrocks', { tables: [table] }))
    await database.sql(TABLE)
    await database.sql(
      `INSERT INTO events SELECT n, 0, n / 7.0, now(), 'word ' || n FROM generate_series(1, ${rows}) n`,
    )
    await database.sql('ANALYZE events')
    const { username, password } = database.options
    home.write({
      sources:
        `rows: {connector: postgres-cdc, url: '${database.options.url}', username: ${username}, password: '${password}', ` +
        `table: events, slot: ${database.name}_slot, chunkRows: ${Math.ceil(rows / parts)}}`,
      sinks: `out: {from: rows, ${sinkOf('starrocks', warehouse)}, key: [id]}`,
    })
    const session = await database.session()
    return new TableWorld({ home, database, warehouse, session, chance }, stack.move())
  }

  /** After a restart of the server. */
  async reconnect(): Promise<void> {
    await this.database.reconnect()
    this.#session = await this.database.session()
  }

  /** Waits until both tables are equal and all of it is confirmed. A table in which nothing happens makes no checkpoints. */
  async caughtUp(run: CommandLine): Promise<void> {
    while (!(await this.isCaughtUp())) {
      assert.ok(!run.hasEnded, `it ended before the tables were equal:\n${run.out}${run.err}`)
      await pause(50)
    }
  }

  /** Lets the job catch up, stops it, and audits everything. */
  async settle(): Promise<void> {
    await using run = this.home.start()
    await this.caughtUp(run)
    await this.stop(run)
  }

  async stop(run: CommandLine): Promise<void> {
    run.signal('SIGTERM')
    await endedWell(run)
    await this.auditEnd()
  }

  async isCaughtUp(): Promise<boolean> {
    const { newest, confirmedUpTo } = await this.home.lineage()
    if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
    if (!newest.sources['rows']?.some(({ split }) => split === 'wal')) return false
    return JSON.stringify(await this.#source()) === JSON.stringify(this.#mirror())
  }

  async auditEnd(): Promise<void> {
    assert.deepEqual(this.#mirror(), await this.#source(), 'both tables have the same rows')
    assert.deepEqual(openTransactions(this.warehouse), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
    const { newest, pending, ended } = await this.home.lineage()
    assert.deepEqual([pending.length, ended === undefined], [0, false])
    const wal = newest?.sources['rows']?.find(({ split }) => split === 'wal')
    assert.ok(wal !== undefined, 'the log is read')
    const [slot] = await this.database.sql(
      `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()`,
    )
    const confirmed = parseLsn(slot?.[0] ?? '')
    assert.ok(confirmed <= parseLsn(String(wal.at['lsn'])), 'the server keeps what the checkpoint goes on with')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.close()
    await this.#stack.disposeAsync()
  }

  async #source(): Promise<string[]> {
    const rows = await this.database.sql('SELECT id, seq, price, at, word FROM events ORDER BY id')
    return rows.map((row) => row.map((value) => value ?? 'NULL').join(' | '))
  }

  #mirror(): string[] {
    const rows = this.warehouse.rows('demo', 'events')
    return rows
      .toSorted((one, other) => Number(one['id']) - Number(other['id']))
      .map((row) => COLUMNS.map(({ name }) => shortest(name, String(row[name] ?? 'NULL'))).join(' | '))
  }
}

/** The warehouse writes six digits of a second where there is one, Postgres as few as it can. */
function shortest(name: string, text: string): string {
  return name === 'at' ? text.replace(/(\.\d*?)0+$/, '$1') : text
}

/** One transaction with ten changes, or one that is rolled back. */
function changes(chance: Chance, next: () => number): string {
  const statements = Array.from({ length: 10 }, () => {
    const id = 1 + chance.below(2000)
    switch (chance.below(5)) {
      case 0:
        return `INSERT INTO events (id, seq) VALUES (${next()}, 0)`
      case 1:
        return `DELETE FROM events WHERE id = ${id}`
      case 2:
        return `UPDATE events SET id = ${next()} WHERE id = ${id}`
      case 3:
        return `INSERT INTO events (id, seq, word) VALUES (${id}, 0, 'again') ON CONFLICT (id) DO NOTHING`
      default:
        return `UPDATE events SET seq = seq + 1, price = price * 1.5 + 0.0000000001, at = clock_timestamp() WHERE id BETWEEN ${id} AND ${id + 5}`
    }
  })
  return `BEGIN; ${statements.join('; ')}; ${chance.below(8) === 0 ? 'ROLLBACK' : 'COMMIT'}`
}
