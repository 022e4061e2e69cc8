import { PostgresDatabase } from '../../../src/testkit/postgres-database.ts'
import type { Chance } from '../kit/chance.ts'
import { warehouseMirror, type MirrorTarget } from '../kit/mirror-targets.ts'
import { MirrorWorld } from '../kit/mirror-world.ts'
import { PipelineHome } from '../kit/pipeline-home.ts'

/** One job that mirrors all tables of a Postgres schema, whose tables are made in the warehouse by the job. */
export class DatabaseWorld extends MirrorWorld {
  readonly database: PostgresDatabase

  private constructor(
    { home, database, target }: { home: PipelineHome; database: PostgresDatabase; target: MirrorTarget },
    chance: Chance,
    stack: AsyncDisposableStack,
  ) {
    const tables = new Map([
      ['users', ['id', 'name', 'balance']],
      ['orders', ['id', 'line', 'item']],
    ])
    const parts = {
      home,
      target,
      log: 'wal',
      nameInTarget: (table: string) => `m_${table}`,
      rowsOfSource: (table: string, columns: readonly string[]) =>
        database.sql(`SELECT ${columns.join(', ')} FROM shop.${table}`),
      change: async (rows: number) => {
        for (let done = 0; done < rows; done += 4) await database.sql(changes(chance))
      },
    }
    super(parts, tables, stack)
    this.database = database
  }

  static async create(url: string, chance: Chance): Promise<DatabaseWorld> {
    await using stack = new AsyncDisposableStack()
    const database = stack.use(await PostgresDatabase.create(url))
    const home = stack.use(await PipelineHome.create())
    const target = stack.use(await warehouseMirror())
    await database.sql(
      `CREATE SCHEMA shop;
       CREATE TABLE shop.users (id bigint PRIMARY KEY, name text, balance numeric(20,4) DEFAULT 0);
       CREATE TABLE shop.orders (id bigint, line int, item text, PRIMARY KEY (id, line));
       INSERT INTO shop.users SELECT n, 'user ' || n FROM generate_series(1, 500) n;
       INSERT INTO shop.orders SELECT n, 1, 'item' FROM generate_series(1, 500) n`,
    )
    const { username, password } = database.options
    home.write({
      sources:
        `rows: {connector: postgres-cdc, url: '${database.options.url}', username: ${username}, password: '${password}', ` +
        `tables: ['shop\\..*'], slot: ${database.name}_slot}`,
      sinks: `out: {from: rows, ${target.options}, routes: [{match: 'shop\\..*', table: 'm_{table}'}], schemaChange: evolve}`,
    })
    return new DatabaseWorld({ home, database, target }, chance, stack.move())
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
