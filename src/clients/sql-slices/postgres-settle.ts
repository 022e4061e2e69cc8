import type { SettleAsk, SliceSession, TextRow } from './dialect.ts'
import { POSTGRES_TEXT } from './postgres-text.ts'

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500
/** Locks that a statement takes before it writes the first row of a table, and keeps until its transaction ends. */
const WRITING = "('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"

/**
 * Waits for everything that may hold a value of the key that was taken already. A statement locks its table before it
 * evaluates a default, so those that hold such a lock, on the table or one of its partitions, are enough where values are
 * defaults taken one by one; otherwise every open transaction is waited for (each holds the lock of its virtual number,
 * as CREATE INDEX CONCURRENTLY uses it). Prepared transactions outlive their sessions and are looked for at the end.
 */
export async function settlePostgres(session: SliceSession, ask: SettleAsk): Promise<void> {
  const relations = await relationsOf(session, ask)
  // now() is the time at which a transaction began, whatever it did since.
  const isAny = ask.isAnyTransaction || ask.shape.key[0]?.kind === 'moment'
  const locks = isAny
    ? "locktype = 'virtualxid'"
    : `locktype = 'relation' AND mode IN ${WRITING} AND relation IN (${relations})`
  const others = `FROM pg_locks WHERE ${locks} AND granted AND pid IS NOT NULL AND pid <> pg_backend_pid()`
  const began = `SELECT DISTINCT virtualtransaction, pid::text ${others}`
  const goesOn =
    "SELECT virtualtransaction, pid::text FROM pg_locks WHERE locktype = 'virtualxid' AND virtualtransaction"
  await waitFor(session, ask, { began, goesOn, what: 'process' })
  const prepared = 'SELECT transaction::text, gid FROM pg_prepared_xacts WHERE database = current_database()'
  await waitFor(session, ask, { began: prepared, goesOn: `${prepared} AND transaction::text`, what: 'prepared' })
}

async function waitFor(
  session: SliceSession,
  ask: SettleAsk,
  { began, goesOn, what }: { readonly began: string; readonly goesOn: string; readonly what: string },
): Promise<void> {
  let open = pairs(await session.rows(began))
  for (let pause = FIRST_PAUSE_MS; open.size > 0; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    ask.waiting([...open.values()].map((name) => `${what} ${name}`).join(', '))
    await ask.sleep(pause)
    ask.signal.throwIfAborted()
    const ids = [...open.keys()].map((id) => POSTGRES_TEXT.text(id))
    open = pairs(await session.rows(`${goesOn} IN (${ids.join(', ')})`))
  }
}

function pairs(rows: readonly TextRow[]): ReadonlyMap<string, string> {
  return new Map(rows.map(([id, name]) => [id ?? '', name ?? '']))
}

async function relationsOf(session: SliceSession, { shape }: SettleAsk): Promise<string> {
  const { tableSql, text } = POSTGRES_TEXT
  const table = `${text(tableSql(shape.table))}::regclass`
  const rows = await session.rows(
    `SELECT ${table}::oid::text UNION SELECT relid::oid::text FROM pg_partition_tree(${table})`,
  )
  return rows.map(([oid]) => oid).join(', ')
}
