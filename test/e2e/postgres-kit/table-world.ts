import assert from 'node:assert/strict'
import { parseLsn, type PgConnection } from '../../../src/clients/postgres-replication/index.ts'
import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import type { Chance } from '../kit/chance.ts'
import { eventsMirror, eventsTable } from '../kit/events-mirror.ts'
import type { MirrorTarget } from '../kit/mirror-targets.ts'
import { MirrorWorld } from '../kit/mirror-world.ts'
import { PipelineHome } from '../kit/pipeline-home.ts'

const TABLE =
  'CREATE TABLE events (id bigint PRIMARY KEY, seq int, price numeric(30,10), at timestamp DEFAULT clock_timestamp(), word text)'

interface TableParts {
  readonly home: PipelineHome
  readonly database: PostgresDatabase
  readonly target: MirrorTarget
  readonly session: PgConnection
  readonly chance: Chance
}

/** One job that mirrors a Postgres table. */
export class TableWorld extends MirrorWorld {
  readonly database: PostgresDatabase
  #session: PgConnection

  private constructor({ home, database, target, session, chance }: TableParts, stack: AsyncDisposableStack) {
    let top = 1_000_000
    const parts = {
      home,
      target,
      log: 'wal',
      nameInTarget: (table: string) => table,
      rowsOfSource: (table: string, columns: readonly string[]) =>
        database.sql(`SELECT ${columns.join(', ')} FROM ${table}`),
      change: async (rows: number) => {
        for (let done = 0; done < rows; done += 10)
          await this.#session.query(
            changes(chance, () => top++),
            'changing',
          )
      },
    }
    super(parts, eventsTable(), stack)
    this.database = database
    this.#session = session
  }

  static async create(
    url: string,
    chance: Chance,
    { rows, parts }: { rows: number; parts: number },
  ): Promise<TableWorld> {
    await using stack = new AsyncDisposableStack()
    const database = stack.use(await PostgresDatabase.create(url))
    const home = stack.use(await PipelineHome.create())
    const target = stack.use(await eventsMirror())
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
      sinks: `out: {from: rows, ${target.options}, table: events, key: [id]}`,
    })
    const session = await database.session()
    return new TableWorld({ home, database, target, session, chance }, stack.move())
  }

  /** After a restart of the server. */
  async reconnect(): Promise<void> {
    await this.database.reconnect()
    this.#session = await this.database.session()
  }

  override async auditEnd(): Promise<void> {
    await super.auditEnd()
    const { newest } = await this.home.lineage()
    const wal = newest?.sources['rows']?.find(({ split }) => split === 'wal')
    assert.ok(wal !== undefined, 'the log is read')
    const [slot] = await this.database.sql(
      `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()`,
    )
    const confirmed = parseLsn(slot?.[0] ?? '')
    assert.ok(confirmed <= parseLsn(String(wal.at['lsn'])), 'the server keeps what the checkpoint goes on with')
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#session.close()
    await super[Symbol.asyncDispose]()
  }
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
