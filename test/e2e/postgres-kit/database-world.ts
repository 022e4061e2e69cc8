import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import type { Emulator } from '../../../src/testkit/emulators/options.ts'
import type { CommandLine } from '../command-line.ts'
import { CANARY } from '../faults-kit/canary.ts'
import { openTransactions, startWarehouse } from '../faults-kit/warehouse.ts'
import type { Chance } from '../kit/chance.ts'
import { endedWell, type Killable } from '../kit/kills.ts'
import { assertBalanced, PipelineHome } from '../kit/pipeline-home.ts'

/** One job that mirrors all tables of a Postgres schema, whose tables are made in the warehouse by the job. */
export class DatabaseWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly database: PostgresDatabase
  readonly warehouse: Emulator
  readonly topic: { append(rows: number): Promise<void> }
  /** Tables, with the columns that are compared. */
  readonly tables: Map<string, string[]> = new Map([
    ['users', ['id', 'name', 'balance']],
    ['orders', ['id', 'line', 'item']],
  ])
  readonly #stack: AsyncDisposableStack

  private constructor(
    { home, database, warehouse }: Pick<DatabaseWorld, 'home' | 'database' | 'warehouse'>,
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    this.home = home
    this.database = database
    this.warehouse = warehouse
    this.#stack = stack
    this.topic = {
      append: async (rows) => {
        for (let done = 0; done < rows; done += 4) await database.sql(changes(chance))
      },
    }
  }

  static async create(url: string, chance: Chance): Promise<DatabaseWorld> {
    await using stack = new AsyncDisposableStack()
    const database = stack.use(await PostgresDatabase.create(url))
    const home = stack.use(await PipelineHome.create())
    const warehouse = stack.use(await startWarehouse('starrocks', { tables: [], queryPort: 0 }))
    await database.sql(
      `CREATE SCHEMA shop;
       CREATE TABLE shop.users (id bigint PRIMARY KEY, name text, balance numeric(20,4) DEFAULT 0);
       CREATE TABLE shop.orders (id bigint, line int, item text, PRIMARY KEY (id, line));
       INSERT INTO shop.users SELECT n, 'user ' || n FROM generate_series(1, 500) n;
       INSERT INTO shop.orders SELECT n, 1, 'item' FROM generate_series(1, 500) n`,
    )
    const { username, password } = database.options
    const urls = warehouse.urls.map((address) => `'${address}'`).join(', ')
    home.write({
      sources:
        `rows: {connector: postgres-cdc, url: '${database.options.url}', username: ${username}, password: '${password}', ` +
        `tables: ['shop\\..*'], slot: ${database.name}_slot}`,
      sinks:
        `out: {from: rows, connector: starrocks, url: [${urls}], queryUrl: ['mysql://127.0.0.1:${warehouse.queryPort}'], ` +
        `password: '${CANARY}', database: demo, routes: [{match: 'shop\\..*', table: 'm_{table}'}], schemaChange: evolve}`,
    })
    return new DatabaseWorld({ home, database, warehouse }, chance, stack.move())
  }

  /** Waits until all tables are equal and all of it is confirmed. */
  async caughtUp(run: CommandLine): Promise<void> {
    while (!(await this.isCaughtUp())) {
      assert.ok(!run.hasEnded, `it ended before the tables were equal:\n${run.out}${run.err}`)
      await pause(50)
    }
  }

  async settle(): Promise<void> {
    await using run = this.home.start()
    await this.caughtUp(run)
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
    assert.deepEqual(this.#mirror(), await this.#source(), 'all tables have the same rows')
    assert.deepEqual(openTransactions(this.warehouse), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #source(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const [table, columns] of this.tables) {
      const rows = await this.database.sql(`SELECT ${columns.join(', ')} FROM shop.${table}`)
      found[table] = rows.map((row) => row.map((value) => value ?? 'NULL').join(' | ')).toSorted()
    }
    return found
  }

  #mirror(): Record<string, string[]> {
    const found: Record<string, string[]> = {}
    for (const [table, columns] of this.tables) {
      const rows = this.warehouse.rows('demo', `m_${table}`)
      found[table] = rows.map((row) => columns.map((name) => String(row[name] ?? 'NULL')).join(' | ')).toSorted()
    }
    return found
  }
}

/** One transaction over both tables. */
function changes(chance: Chance): string {
  const id = 1 + chance.below(600)
  return (
    `BEGIN; INSERT INTO shop.users (id, name) VALUES (${id}, 'again') ON CONFLICT (id) DO UPDATE SET balance = users.balance + 1.5;` +
    `INSERT INTO shop.orders VALUES (${id}, ${chance.below(5)}, 'item "${chance.below(1000)}"') ON CONFLICT DO NOTHING;` +
    // A line that was moved there before stays.
    `UPDATE shop.orders o SET line = line + 10 WHERE id = ${1 + chance.below(600)} AND line < 10 AND ` +
    'NOT EXISTS (SELECT FROM shop.orders t WHERE t.id = o.id AND t.line = o.line + 10);' +
    `DELETE FROM shop.users WHERE id = ${1 + chance.below(600)}; COMMIT`
  )
}
