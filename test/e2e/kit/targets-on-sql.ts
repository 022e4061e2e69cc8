import { useDatabase } from '../../../scripts/services/databases.ts'
import { openSqlTarget, type SqlTarget } from '../../../src/testkit/sql-target.ts'
import type { Target } from './targets.ts'

/** A table without a key on a real server: a row that is written twice is there twice. */
export async function sqlTarget(kind: 'mariadb' | 'postgres'): Promise<Target> {
  const { target, dispose, where } = await openTable(
    kind,
    'CREATE TABLE events (part BIGINT, seq BIGINT, pad VARCHAR(200))',
  )
  return {
    kind,
    options: `${where}, table: events, pageRows: 200`,
    read: async (into) => {
      for (const [part, seq, pad] of await target.query('SELECT part, seq, pad FROM events')) {
        into.addLine(`{"part":${part},"seq":${seq},"pad":${JSON.stringify(pad)}}`)
      }
    },
    residue: () => stagedRows(target),
    [Symbol.asyncDispose]: dispose,
  }
}

/** A table with one row for each slot of each partition, which the newest row of the slot replaces. */
export interface SlotTable extends AsyncDisposable {
  /** The options of the sink, without `from`. */
  readonly options: string
  /** `part/slot` → the newest row's number. */
  read(): Promise<ReadonlyMap<string, number>>
}

export async function slotTable(kind: 'mariadb' | 'postgres'): Promise<SlotTable> {
  const columns = 'part BIGINT NOT NULL, slot BIGINT NOT NULL, seq BIGINT NOT NULL, pad VARCHAR(200) NOT NULL'
  const { target, dispose, where } = await openTable(kind, `CREATE TABLE events (${columns}, PRIMARY KEY (part, slot))`)
  return {
    options: `${where}, table: events, key: [part, slot], pageRows: 20, connections: 3, flushInterval: 20ms`,
    read: async () => {
      const rows = await target.query('SELECT part, slot, seq FROM events')
      return new Map(rows.map(([part, slot, seq]) => [`${part}/${slot}`, Number(seq)]))
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** A table of sessions by key: what they are changes, and so does their key. */
export interface SessionTable extends AsyncDisposable {
  /** The options of the sink, without `from`. */
  readonly options: string
  /** `key start end count total`, moments in seconds, sorted. */
  read(): Promise<readonly string[]>
}

export async function sessionTable(kind: 'mariadb' | 'postgres'): Promise<SessionTable> {
  const [moment, seconds] =
    kind === 'postgres'
      ? ['TIMESTAMP(6)', (name: string) => `CAST(EXTRACT(EPOCH FROM ${name}) AS BIGINT)`]
      : ['DATETIME(6)', (name: string) => `TIMESTAMPDIFF(SECOND, '1970-01-01', ${name})`]
  const columns = `k BIGINT NOT NULL, window_start ${moment} NOT NULL, window_end ${moment} NOT NULL, n BIGINT, total BIGINT`
  const { target, dispose, where } = await openTable(
    kind,
    `CREATE TABLE sessions (${columns}, PRIMARY KEY (k, window_start, window_end))`,
  )
  return {
    options: `${where}, table: sessions, key: [k, window_start, window_end], mode: transactional, pageRows: 20`,
    read: async () => {
      const bounds = `${seconds('window_start')}, ${seconds('window_end')}`
      const rows = await target.query(`SELECT k, ${bounds}, n, total FROM sessions`)
      return rows.map((row) => row.join(' ')).toSorted()
    },
    [Symbol.asyncDispose]: dispose,
  }
}

async function openTable(
  kind: 'mariadb' | 'postgres',
  ddl: string,
): Promise<{ target: SqlTarget; where: string; dispose: () => Promise<void> }> {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await useDatabase(kind))
  const target = stack.use(await openSqlTarget(server.url))
  await target.query(ddl)
  const connector = kind === 'postgres' ? 'postgres' : 'mysql'
  const where = `connector: ${connector}, url: '${target.url}', username: ${target.username}, password: ${target.password}`
  const all = stack.move()
  return { target, where, dispose: () => all.disposeAsync() }
}

/** Rows that were staged, never applied and never swept. */
async function stagedRows(target: SqlTarget): Promise<string[]> {
  const schema = target.kind === 'mysql' ? 'DATABASE()' : 'current_schema()'
  const tables = await target.query(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = ${schema} AND table_name LIKE 'millrace_stage_%'`,
  )
  const found: string[] = []
  for (const [table] of tables) {
    const places = await target.query(
      `SELECT __epoch, __checkpoint, COUNT(*) FROM ${table} GROUP BY __epoch, __checkpoint`,
    )
    found.push(...places.map(([epoch, checkpoint, rows]) => `${rows} rows of ${epoch}/${checkpoint}`))
  }
  return found
}
