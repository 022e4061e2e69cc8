import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
import type { CommandLine } from '../command-line.ts'
import type { Chance } from '../kit/chance.ts'
import { endedWell, type Killable } from '../kit/kills.ts'
import { warehouseMirror, type MirrorTarget } from '../kit/mirror-targets.ts'
import { assertBalanced, PipelineHome } from '../kit/pipeline-home.ts'

/** One job that mirrors all tables of a MySQL database, whose tables are made in the target by the job. */
export class DatabaseWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly server: MysqlWorld
  readonly target: MirrorTarget
  readonly topic: { append(rows: number): Promise<void> }
  /** Tables, with the columns that are compared. */
  readonly tables: Map<string, string[]> = new Map([
    ['users', ['id', 'name', 'balance', 'level']],
    ['orders', ['id', 'line', 'item', 'big']],
  ])
  readonly #stack: AsyncDisposableStack

  private constructor(
    { home, server, target }: Pick<DatabaseWorld, 'home' | 'server' | 'target'>,
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    this.home = home
    this.server = server
    this.target = target
    this.#stack = stack
    this.topic = {
      append: async (rows) => {
        for (let done = 0; done < rows; done += 4) await server.sql(...changes(chance))
      },
    }
  }

  /** `tables`: the pattern of those that the first start reads. */
  static async create(
    url: string,
    chance: Chance,
    tables = '.*',
    openTarget: () => Promise<MirrorTarget> = warehouseMirror,
  ): Promise<DatabaseWorld> {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await MysqlWorld.create(url))
    const home = stack.use(await PipelineHome.create())
    const target = stack.use(await openTarget())
    const ids = Array.from({ length: 500 }, (_, at) => at + 1)
    await server.sql(
      "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(50), balance decimal(20,4) DEFAULT 0, level enum('low','high'))",
      'CREATE TABLE orders (id bigint, line int, item varchar(100), big bigint unsigned DEFAULT 18446744073709551615, PRIMARY KEY (id, line))',
      `INSERT INTO users (id, name, level) VALUES ${ids.map((id) => `(${id}, 'user ${id}', 'low')`).join(', ')}`,
      `INSERT INTO orders (id, line, item) VALUES ${ids.map((id) => `(${id}, 1, 'item')`).join(', ')}`,
    )
    const world = new DatabaseWorld({ home, server, target }, chance, stack.move())
    world.read(url, tables)
    return world
  }

  /** Writes the pipeline file. */
  read(url: string, tables: string): void {
    const { username, password, protocol, host } = new URL(url)
    const { home, server, target } = this
    home.write({
      sources:
        `rows: {connector: mysql-cdc, url: '${protocol}//${host}', username: ${username}, password: '${password}', ` +
        `tables: ['${server.database}\\.${tables}'], fetchSize: 100}`,
      sinks:
        `out: {from: rows, ${target.options}, routes: [{match: '${server.database}\\..*', table: 'm_{table}'}], ` +
        'schemaChange: evolve}',
      ...(target.delivery === undefined ? {} : { delivery: target.delivery }),
    })
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
    if (!newest.sources['rows']?.some(({ split }) => split === 'log')) return false
    return JSON.stringify(await this.#source()) === JSON.stringify(await this.#mirror())
  }

  async auditEnd(): Promise<void> {
    assert.deepEqual(await this.#mirror(), await this.#source(), 'all tables have the same rows')
    assert.deepEqual(this.target.residue(), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #source(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const [table, columns] of this.tables) {
      const rows = await this.server.connection.query(`SELECT ${columns.join(', ')} FROM ${table}`)
      found[table] = rows.map((row) => row.map((value) => value ?? 'NULL').join(' | ')).toSorted()
    }
    return found
  }

  async #mirror(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {}
    for (const [table, columns] of this.tables) {
      const rows = await this.target.rows(`m_${table}`, columns)
      found[table] = rows.map((row) => row.map((value) => value ?? 'NULL').join(' | ')).toSorted()
    }
    return found
  }
}

/** One transaction over both tables. */
function changes(chance: Chance): string[] {
  const id = 1 + chance.below(600)
  return [
    'BEGIN',
    `INSERT INTO users (id, name) VALUES (${id}, 'again') ON DUPLICATE KEY UPDATE balance = balance + 1.5, level = 'high'`,
    `INSERT IGNORE INTO orders (id, line, item) VALUES (${id}, ${chance.below(5)}, 'item "${chance.below(1000)}"')`,
    // A line that was moved there before stays.
    `UPDATE IGNORE orders SET line = line + 10 WHERE id = ${1 + chance.below(600)} AND line < 10`,
    `DELETE FROM users WHERE id = ${1 + chance.below(600)}`,
    'COMMIT',
  ]
}
