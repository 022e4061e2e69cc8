import type { MysqlConnection } from '../../../src/clients/mysql-replication/index.ts'
import { MysqlWorld } from '../../../src/testkit/mysql-cdc/mysql-world.ts'
import type { Chance } from '../kit/chance.ts'
import { eventsMirror, eventsTable } from '../kit/events-mirror.ts'
import type { MirrorTarget } from '../kit/mirror-targets.ts'
import { MirrorWorld } from '../kit/mirror-world.ts'
import { PipelineHome } from '../kit/pipeline-home.ts'

const TABLE =
  'CREATE TABLE events (id bigint PRIMARY KEY, seq int, price decimal(30,10), at datetime(6) DEFAULT now(6), word varchar(100))'
const INSERTED_AT_ONCE = 5000

/** One job that mirrors a MySQL table. */
export class TableWorld extends MirrorWorld {
  readonly server: MysqlWorld

  private constructor(
    { home, server, target }: { home: PipelineHome; server: MysqlWorld; target: MirrorTarget },
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    let top = 1_000_000
    const parts = {
      home,
      target,
      log: 'log',
      nameInTarget: (table: string) => table,
      rowsOfSource: (table: string, columns: readonly string[]) =>
        server.connection.query(`SELECT ${columns.join(', ')} FROM ${table}`),
      change: async (rows: number) => {
        for (let done = 0; done < rows; done += 10) await change(server.connection, chance, () => top++)
      },
    }
    super(parts, eventsTable(), stack)
    this.server = server
  }

  static async create(url: string, chance: Chance, rows: number, source = 'end: never'): Promise<TableWorld> {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await MysqlWorld.create(url))
    const home = stack.use(await PipelineHome.create())
    const target = stack.use(await eventsMirror())
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
      sinks: `out: {from: rows, ${target.options}, table: events, key: [id]}`,
    })
    return new TableWorld({ home, server, target }, chance, stack.move())
  }
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
