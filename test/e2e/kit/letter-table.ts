import { useDatabase } from '../../../scripts/services/databases.ts'
import { startDorisEmulator } from '../../../src/testkit/emulators/doris/index.ts'
import { startStarRocksEmulator } from '../../../src/testkit/emulators/starrocks/index.ts'
import { openSqlTarget } from '../../../src/testkit/sql-target.ts'

export type LetterTableKind = 'mariadb' | 'postgres' | 'tidb' | 'starrocks' | 'doris'

/** A table for dead letters, made as docs/dead-letters.md says. */
export interface LetterTable extends AsyncDisposable {
  /** Options of the sink that writes it. */
  readonly sink: string
  count(): Promise<number>
}

export function openLetterTable(kind: LetterTableKind): Promise<LetterTable> {
  return kind === 'starrocks' || kind === 'doris' ? onWarehouse(kind) : onSql(kind)
}

async function onSql(kind: 'mariadb' | 'postgres' | 'tidb'): Promise<LetterTable> {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await useDatabase(kind))
  const target = stack.use(await openSqlTarget(server.url))
  const long = kind === 'postgres' ? 'TEXT' : 'LONGTEXT'
  const position = kind === 'postgres' ? '"position"' : '`position`'
  await target.query(
    `CREATE TABLE letters (source VARCHAR(200), split VARCHAR(500), ${position} VARCHAR(500), checkpoint BIGINT, ` +
      `attempt INT, step VARCHAR(200), code VARCHAR(40), reason ${long}, column_name VARCHAR(200), raw ${long}, encoding VARCHAR(10))`,
  )
  const connector = kind === 'mariadb' ? 'mysql' : kind
  const { url, username, password } = target
  return {
    sink: `connector: ${connector}, url: '${url}', username: ${username}, password: ${password}, table: letters`,
    count: async () => Number((await target.query('SELECT count(*) FROM letters'))[0]?.[0]),
    ...disposal(stack.move()),
  }
}

async function onWarehouse(kind: 'starrocks' | 'doris'): Promise<LetterTable> {
  const long = kind === 'doris' ? 'STRING' : 'VARCHAR(1048576)'
  const columns = [
    ...[text('source', 200), text('split', 500), text('position', 500)],
    ...[
      { name: 'checkpoint', type: 'BIGINT' },
      { name: 'attempt', type: 'INT' },
    ],
    ...[text('step', 200), text('code', 40), { name: 'reason', type: long }, text('column_name', 200)],
    ...[{ name: 'raw', type: long }, text('encoding', 10)],
  ]
  await using stack = new AsyncDisposableStack()
  const start = kind === 'doris' ? startDorisEmulator : startStarRocksEmulator
  const server = stack.use(
    await start({ queryPort: 0, tables: [{ database: 'demo', table: 'letters', model: 'duplicate', columns }] }),
  )
  const [url] = server.urls
  return {
    sink: `connector: ${kind}, url: '${url}', queryUrl: 'mysql://127.0.0.1:${server.queryPort}', database: demo, table: letters`,
    count: () => Promise.resolve(server.rowCount('demo', 'letters')),
    ...disposal(stack.move()),
  }
}

function text(name: string, length: number): { readonly name: string; readonly type: string } {
  return { name, type: `VARCHAR(${length})` }
}

function disposal(stack: AsyncDisposableStack): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() }
}
