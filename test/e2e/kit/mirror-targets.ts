import { useDatabase } from '../../../scripts/services/databases.ts'
import type { EmulatorOptions } from '../../../src/testkit/emulators/options.ts'
import { openSqlTarget } from '../../../src/testkit/sql-target.ts'
import { CANARY } from '../faults-kit/canary.ts'
import { openTransactions, startWarehouse } from '../faults-kit/warehouse.ts'

/** Where a database is mirrored to; its tables are made by the job. */
export interface MirrorTarget extends AsyncDisposable {
  /** The options of the sink, without `from` and `routes`. */
  readonly options: string
  /** What the pipeline has to say of its promise. */
  readonly delivery?: string
  /** The cells of all rows as texts; none where the table is not there yet. */
  rows(table: string, columns: readonly string[]): Promise<readonly (readonly (string | null)[])[]>
  /** What is left open. */
  residue(): string[]
}

/** The emulated StarRocks, which is asked for its tables when it has a port for queries. */
export async function warehouseMirror(options: EmulatorOptions = { tables: [], queryPort: 0 }): Promise<MirrorTarget> {
  const warehouse = await startWarehouse('starrocks', options)
  const urls = warehouse.urls.map((address) => `'${address}'`).join(', ')
  const queryUrl = options.queryPort === undefined ? '' : `queryUrl: ['mysql://127.0.0.1:${warehouse.queryPort}'], `
  return {
    options: `connector: starrocks, url: [${urls}], ${queryUrl}password: '${CANARY}', database: demo`,
    rows: async (table, columns) =>
      warehouse.rows('demo', table).map((row) => columns.map((name) => String(row[name] ?? 'NULL'))),
    residue: () => openTransactions(warehouse),
    [Symbol.asyncDispose]: () => warehouse.close(),
  }
}

/** A real SQL server. */
export async function sqlMirror(kind: 'mariadb' | 'postgres'): Promise<MirrorTarget> {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await useDatabase(kind))
  const target = stack.use(await openSqlTarget(server.url))
  const all = stack.move()
  const [connector, schema] = kind === 'postgres' ? ['postgres', 'current_schema()'] : ['mysql', 'DATABASE()']
  return {
    options:
      `connector: ${connector}, url: '${target.url}', username: ${target.username}, password: ${target.password}, ` +
      'pageRows: 50, connections: 2, flushInterval: 20ms',
    delivery: 'convergent',
    rows: async (table, columns) => {
      const there = await target.query(
        `SELECT column_name FROM information_schema.columns WHERE table_schema = ${schema} AND table_name = '${table}'`,
      )
      // The table, or a column that was added, may not be there yet.
      const isThere = columns.every((name) => there.some(([one]) => one === name))
      return isThere ? await target.query(`SELECT ${columns.join(', ')} FROM ${table}`) : []
    },
    residue: () => [],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}
