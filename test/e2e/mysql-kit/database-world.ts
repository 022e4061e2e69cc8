import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
import type { Chance } from '../kit/chance.ts'
import { warehouseMirror, type MirrorTarget } from '../kit/mirror-targets.ts'
import { MirrorWorld } from '../kit/mirror-world.ts'
import { PipelineHome } from '../kit/pipeline-home.ts'

/** One job that mirrors all tables of a MySQL database, whose tables are made in the target by the job. */
export class DatabaseWorld extends MirrorWorld {
  readonly server: MysqlWorld

  private constructor(
    { home, server, target }: { home: PipelineHome; server: MysqlWorld; target: MirrorTarget },
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    const tables = new Map([
      ['users', ['id', 'name', 'balance', 'level']],
      ['orders', ['id', 'line', 'item', 'big']],
    ])
    const parts = {
      home,
      target,
      log: 'log',
      nameInTarget: (table: string) => `m_${table}`,
      rowsOfSource: (table: string, columns: readonly string[]) =>
        server.connection.query(`SELECT ${columns.join(', ')} FROM ${table}`),
      change: async (rows: number) => {
        for (let done = 0; done < rows; done += 4) await server.sql(...changes(chance))
      },
    }
    super(parts, tables, stack)
    this.server = server
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
