import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { MysqlConnection } from '../../../src/clients/mysql-replication/index.ts'
import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
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
  'CREATE TABLE events (id bigint PRIMARY KEY, seq int, price decimal(30,10), at datetime(6) DEFAULT now(6), word varchar(100))'
const INSERTED_AT_ONCE = 5000

/** One job that mirrors a MySQL table, with sessions that change it and an audit that compares both tables. */
export class TableWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly server: MysqlWorld
  readonly warehouse: Emulator
  readonly topic: { append(rows: number): Promise<void> }
  readonly #stack: AsyncDisposableStack

  private constructor(
    { home, server, warehouse }: Pick<TableWorld, 'home' | 'server' | 'warehouse'>,
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    this.home = home
    this.server = server
    this.warehouse = warehouse
    this.#stack = stack
    let top = 1_000_000
    this.topic = {
      append: async (rows) => {
        for (let done = 0; done < rows; done += 10) await change(this.server.connection, chance, () => top++)
      },
    }
  }

  static async create(url: string, chance: Chance, rows: number, source = 'end: never'): Promise<TableWorld> {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await MysqlWorld.create(url))
    const home = stack.use(await PipelineHome.create())
    const table = { database: 'demo', table: 'events', model: 'primary', keys: ['id'], columns: COLUMNS } as const
    const warehouse = stack.use(await startWarehouse('starrocks', { tables: [table] }))
    await server.sql(TABLE)
    for (let from = 0; from < rows; from += INSERTED_AT_ONCE) {
      const ids = Array.from({ length: Math.min(INSERTED_AT_ONCE, rows - from) }, (_, at) => from + at + 1)
      const values = ids.map((id) => `(${id}, 0, ${id} / 7, 'word ${id}')`)
      await server.sql(`INSERT INTO events (id, seq, price, word) VALUES ${values.join(', ')}`)
    }
    await server.sql('ANALYZE TABLE events')
    const { username, password, protocol, host } = new URL(url)
    home.write({
      sources:
        `rows: {connector: mysql-cdc, url: '${protocol}//${host}', username: ${username}, password: '${password}', ` +
        `table: ${server.database}.events, fetchSize: 1000, ${source}}`,
      sinks: `out: {from: rows, ${sinkOf('starrocks', warehouse)}, key: [id]}`,
    })
    return new TableWorld({ home, server, warehouse }, chance, stack.move())
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
    if (!newest.sources['rows']?.some(({ split }) => split === 'log')) return false
    return JSON.stringify(await this.#source()) === JSON.stringify(this.#mirror())
  }

  async auditEnd(): Promise<void> {
    assert.deepEqual(this.#mirror(), await this.#source(), 'both tables have the same rows')
    assert.deepEqual(openTransactions(this.warehouse), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
    const { pending, ended } = await this.home.lineage()
    assert.deepEqual([pending.length, ended === undefined], [0, false])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #source(): Promise<string[]> {
    const rows = await this.server.connection.query('SELECT id, seq, price, at, word FROM events ORDER BY id')
    return rows.map((row) => row.map((value) => value ?? 'NULL').join(' | '))
  }

  #mirror(): string[] {
    const rows = this.warehouse.rows('demo', 'events')
    return rows
      .toSorted((one, other) => Number(one['id']) - Number(other['id']))
      .map((row) => COLUMNS.map(({ name }) => inFull(name, String(row[name] ?? 'NULL'))).join(' | '))
  }
}

/** The warehouse writes digits of a second where there are any, MySQL always. */
function inFull(name: string, text: string): string {
  return name === 'at' && text.length === 19 ? `${text}.000000` : text
}

/** One transaction with ten changes, or one that is rolled back. */
async function change(session: MysqlConnection, chance: Chance, next: () => number): Promise<void> {
  await session.query('BEGIN')
  for (let left = 10; left > 0; left--) await session.query(statement(chance, next))
  await session.query(chance.below(8) === 0 ? 'ROLLBACK' : 'COMMIT')
}

function statement(chance: Chance, next: () => number): string {
  const id = 1 + chance.below(2000)
  switch (chance.below(5)) {
    case 0:
      return `INSERT INTO events (id, seq) VALUES (${next()}, 0)`
    case 1:
      return `DELETE FROM events WHERE id = ${id}`
    case 2:
      return `UPDATE events SET id = ${next()} WHERE id = ${id}`
    case 3:
      return `INSERT IGNORE INTO events (id, seq, word) VALUES (${id}, 0, 'again "it" is')`
    default:
      return `UPDATE events SET seq = seq + 1, price = price * 1.5 + 0.0000000001, at = now(6) WHERE id BETWEEN ${id} AND ${id + 5}`
  }
}
