import { MillraceError } from '../../core/errors.ts'
import type { SettleAsk, SliceSession, TextRow } from './dialect.ts'
import { MYSQL_TEXT } from './mysql-text.ts'

/** `innodb_trx` is a copy that is only made anew when nobody has read it for 100 ms. */
const COPY_MS = 260
const FRESH_MS = 10_000
const PAUSE_MS = 50
/** Statements that take no values of a table's key. */
const READING = /^\s*(?:select|show|explain|desc|set|commit|rollback|begin|start|use|do|kill|flush|analyze)\b/i

/**
 * Waits for everything that may hold a value of the key that was taken already: first for the statements that run (a
 * value is taken before the statement's transaction is seen), then for the transactions that wrote something.
 */
export async function settleMysql(
  session: SliceSession,
  connect: () => Promise<SliceSession>,
  ask: SettleAsk,
): Promise<void> {
  await settleStatements(session, ask, 'information_schema.processlist')
  const wrote = ask.isAnyTransaction
    ? ''
    : ' AND (trx_rows_modified > 0 OR trx_tables_locked > 0 OR trx_tables_in_use > 0)'
  const own = await freshTransactions(session, connect, ask, wrote)
  await goneFrom(own, ask, COPY_MS, async () => transactionsOf(await session.rows(transactionsSql(wrote))))
}

/** The same for TiDB, whose list of open transactions is never old. */
export async function settleTidb(session: SliceSession, ask: SettleAsk): Promise<void> {
  await settleStatements(session, ask, 'information_schema.cluster_processlist')
  const open = async (): Promise<ReadonlyMap<string, string>> =>
    transactionsOf(
      await session.rows(
        'SELECT session_id, start_time, id FROM information_schema.cluster_tidb_trx WHERE session_id <> CONNECTION_ID()',
      ),
    )
  await goneFrom(await open(), ask, PAUSE_MS, open)
}

/**
 * The transactions of a copy that was surely made after this call: it shows a transaction of ours that began in it.
 * Declared readers are left out; they can never write.
 */
async function freshTransactions(
  session: SliceSession,
  connect: () => Promise<SliceSession>,
  ask: SettleAsk,
  wrote: string,
): Promise<ReadonlyMap<string, string>> {
  await using marker = await connect()
  const [id] = (await marker.rows('SELECT CONNECTION_ID()'))[0] ?? []
  await marker.rows('START TRANSACTION')
  await marker.rows(`SELECT 1 FROM ${MYSQL_TEXT.tableSql(ask.shape.table)} LIMIT 1`)
  for (let waited = 0; waited < FRESH_MS; waited += COPY_MS) {
    await ask.sleep(COPY_MS)
    ask.signal.throwIfAborted()
    const rows = await session.rows(
      `SELECT trx_mysql_thread_id, trx_started, trx_id, trx_mysql_thread_id = ${id} FROM information_schema.innodb_trx ` +
        `WHERE trx_mysql_thread_id = ${id} OR (trx_is_read_only = 0${wrote})`,
    )
    if (rows.some(([, , , isMarker]) => isMarker === '1')) {
      return transactionsOf(rows.filter(([, , , isMarker]) => isMarker !== '1'))
    }
  }
  throw new MillraceError(
    'the server’s list of open transactions (information_schema.innodb_trx) does not get newer: somebody reads it more ' +
      'often than every 100 ms. Let that program read it less often, or set `safeLag`',
    { code: 'UNAVAILABLE', retry: 'retry' },
  )
}

function transactionsSql(wrote: string): string {
  return `SELECT trx_mysql_thread_id, trx_started, trx_id FROM information_schema.innodb_trx WHERE trx_is_read_only = 0${wrote}`
}

/** A transaction is known by its connection and its start: its number changes when it writes first. */
function transactionsOf(rows: readonly TextRow[]): ReadonlyMap<string, string> {
  return new Map(
    rows.map(([thread, started, id]) => [
      thread === '0' ? `prepared ${id}` : `${thread} ${started}`,
      `connection ${thread}`,
    ]),
  )
}

async function goneFrom(
  first: ReadonlyMap<string, string>,
  ask: SettleAsk,
  pauseMs: number,
  look: () => Promise<ReadonlyMap<string, string>>,
): Promise<void> {
  let open = first
  while (open.size > 0) {
    ask.waiting([...open.values()].join(', '))
    await ask.sleep(pauseMs)
    ask.signal.throwIfAborted()
    const now = await look()
    open = new Map([...open].filter(([transaction]) => now.has(transaction)))
  }
}

interface Statement {
  readonly connection: string
  readonly text: string
  readonly seconds: number
}

/** Waits for the statements that run now, other than those that only read. */
async function settleStatements(session: SliceSession, ask: SettleAsk, list: string): Promise<void> {
  const look = async (): Promise<Statement[]> => {
    const rows = await session.rows(
      `SELECT id, COALESCE(info, ''), COALESCE(time, 0) FROM ${list} WHERE command IN ('Query', 'Execute') AND id <> CONNECTION_ID()`,
    )
    return rows
      .map(([connection, text, seconds]) => ({
        connection: connection ?? '',
        text: text ?? '',
        seconds: Number(seconds),
      }))
      .filter(({ text }) => !READING.test(text))
  }
  const began = process.hrtime.bigint()
  let running = await look()
  while (running.length > 0) {
    ask.waiting(running.map(({ connection }) => `connection ${connection}`).join(', '))
    await ask.sleep(PAUSE_MS)
    ask.signal.throwIfAborted()
    const elapsed = Number((process.hrtime.bigint() - began) / 1_000_000n) / 1000
    const now = await look()
    running = running.filter(({ connection, text, seconds }) =>
      // The same words for a shorter time than ours: it ended, and another one began. Times are whole seconds.
      now.some((one) => one.connection === connection && one.text === text && one.seconds + 2 > seconds + elapsed),
    )
  }
}
