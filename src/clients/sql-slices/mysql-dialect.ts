import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { SettleAsk, SliceDialect, SliceSession, TableAsk } from './dialect.ts'
import { mysqlShape } from './mysql-shape.ts'
import { settleMysql, settleTidb } from './mysql-settle.ts'
import { MYSQL_TEXT } from './mysql-text.ts'
import { PacketRows } from './packet-rows.ts'

/** Slices of MySQL and MariaDB tables. `connect` opens a connection that reads, in UTC. */
export function mysqlDialect(connect: () => Promise<SliceSession>): SliceDialect {
  return {
    label: 'MySQL',
    connect,
    encoder: (layout) => new PacketRows(layout),
    shape: (session: SliceSession, ask: TableAsk) => mysqlShape(session, ask, () => Promise.resolve(undefined)),
    horizonProblem: (session) => problemOf(session, 'information_schema.innodb_trx'),
    ...MYSQL_TEXT,
    settle: (session: SliceSession, ask: SettleAsk) => settleMysql(session, connect, ask),
    present: () => Promise.resolve(undefined),
    verifyPresent: () => Promise.resolve(),
  }
}

/** Slices of TiDB tables: bounded reads see the table as it was at one moment. */
export function tidbDialect(connect: () => Promise<SliceSession>): SliceDialect {
  return {
    ...mysqlDialect(connect),
    label: 'TiDB',
    shape: (session: SliceSession, ask: TableAsk) => mysqlShape(session, ask, numbersDoubt),
    horizonProblem: (session) => problemOf(session, 'information_schema.cluster_tidb_trx'),
    settle: (session: SliceSession, ask: SettleAsk) => settleTidb(session, ask),
    present,
    verifyPresent,
  }
}

async function problemOf(session: SliceSession, list: string): Promise<string | undefined> {
  try {
    await session.rows(`SELECT count(*) FROM ${list}`)
  } catch (thrown) {
    const { code, message } = toMillraceError(thrown)
    if (code !== 'AUTH') throw thrown
    return `the user may not see the transactions of others (GRANT PROCESS ON *.*): ${message}`
  }
  const [row] = await session.rows('SELECT @@global.read_only')
  const isReplica = row?.[0] === '1'
  return isReplica
    ? 'the server is read-only, so a replica, which does not know the transactions of its primary'
    : undefined
}

/** Each TiDB server hands out numbers of its own range, unless the table has a cache of one. */
async function numbersDoubt(session: SliceSession, tableSql: string): Promise<string | undefined> {
  const [row] = await session.rows(`SHOW CREATE TABLE ${tableSql}`)
  const text = row?.[1] ?? ''
  if (/AUTO_RANDOM/i.test(text)) return 'AUTO_RANDOM numbers do not rise'
  if (/AUTO_ID_CACHE[ =]*1\b/i.test(text)) return undefined
  return 'every TiDB server hands out numbers of its own range (AUTO_ID_CACHE=1 makes them rise)'
}

/** A timestamp of TiDB's own clock. */
async function present(session: SliceSession): Promise<string | undefined> {
  await session.rows('BEGIN')
  const [row] = await session.rows('SELECT @@tidb_current_ts')
  await session.rows('ROLLBACK')
  return row?.[0] ?? undefined
}

async function verifyPresent(session: SliceSession, table: string, asOf: string): Promise<void> {
  try {
    await session.rows(`SELECT 1 FROM ${MYSQL_TEXT.tableSql(table, asOf)} LIMIT 1`)
  } catch (thrown) {
    const { message } = toMillraceError(thrown)
    if (!/GC life time|safe point|9006/i.test(message)) throw thrown
    throw new MillraceError(
      `TiDB no longer knows ${table} as it was when reading began: ${message}. Raise tidb_gc_life_time beyond the time of the read`,
      { code: 'POSITION_LOST', cause: thrown, detail: { table } },
    )
  }
}
