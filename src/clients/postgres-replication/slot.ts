import { parseLsn, type Lsn } from './lsn.ts'
import type { PgConnection } from './connection.ts'
import { quoteName, quoteText } from './sql-text.ts'

/** A row of `pg_replication_slots`. */
export interface Slot {
  readonly plugin: string
  readonly database: string
  /** Process of the server that streams from it now. */
  readonly activePid: number | undefined
  /** What the server was told to be done with: transactions before it are not sent again. */
  readonly confirmed: Lsn | undefined
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string
  /** Bytes that may still be written before the slot loses its WAL; undefined where nothing limits it. */
  readonly safeBytes: number | undefined
}

export async function readSlot(connection: PgConnection, name: string): Promise<Slot | undefined> {
  const [row] = await connection.query(
    `SELECT plugin, database, active_pid, confirmed_flush_lsn, wal_status, safe_wal_size
     FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteText(name)}`,
    `looking for replication slot ${name}`,
  )
  if (row === undefined) return undefined
  const [plugin, database, pid, confirmed, status, safe] = row
  return {
    plugin: plugin ?? '',
    database: database ?? '',
    activePid: pid === null || pid === undefined ? undefined : Number(pid),
    confirmed: confirmed === null || confirmed === undefined ? undefined : parseLsn(confirmed),
    walStatus: status ?? 'lost',
    safeBytes: safe === null || safe === undefined ? undefined : Number(safe),
  }
}

/**
 * Makes a slot and returns the place from which it gives whole transactions. Waits for transactions that write now, which
 * the server does, too.
 */
export async function createSlot(connection: PgConnection, name: string): Promise<Lsn> {
  const [row] = await connection.query(
    `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot(${quoteText(name)}, 'pgoutput')`,
    `making replication slot ${name}`,
  )
  return parseLsn(row?.[0] ?? '')
}

/** Ends the server's process of a slot when it belongs to the same program; returns whether it did. */
export async function endWalsender(connection: PgConnection, pid: number, applicationName: string): Promise<boolean> {
  const rows = await connection.query(
    `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
     WHERE pid = ${pid} AND backend_type = 'walsender' AND application_name = ${quoteText(applicationName)}`,
    `ending process ${pid} of an earlier start`,
  )
  return rows.length > 0
}

/** What a publication lets out. */
export interface Publication {
  readonly isForAllTables: boolean
  /** Of insert, update, delete and truncate, those that are missing. */
  readonly missing: readonly string[]
  readonly tables: readonly PublishedTable[]
}

export interface PublishedTable {
  readonly schema: string
  readonly name: string
  readonly hasRowFilter: boolean
  readonly columns: readonly string[] | undefined
}

export async function readPublication(connection: PgConnection, name: string): Promise<Publication | undefined> {
  const doing = `looking for publication ${name}`
  const [row] = await connection.query(
    `SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, current_setting('server_version_num')::int
     FROM pg_catalog.pg_publication WHERE pubname = ${quoteText(name)}`,
    doing,
  )
  if (row === undefined) return undefined
  const [all, ...kinds] = row
  // Lists of columns and filters came with version 15.
  const isNew = Number(kinds.pop()) >= 150_000
  const tables = await connection.query(
    `SELECT schemaname, tablename${isNew ? ', rowfilter, array_to_json(attnames)' : ', NULL, NULL'}
     FROM pg_catalog.pg_publication_tables WHERE pubname = ${quoteText(name)}`,
    doing,
  )
  return {
    isForAllTables: all === 't',
    missing: ['insert', 'update', 'delete', 'truncate'].filter((_, index) => kinds[index] !== 't'),
    tables: tables.map(([schema, table, filter, columns]) => ({
      schema: schema ?? '',
      name: table ?? '',
      hasRowFilter: filter !== null && filter !== undefined,
      columns: typeof columns === 'string' ? (JSON.parse(columns) as string[]) : undefined,
    })),
  }
}

type Named = { readonly schema: string; readonly name: string }

/** Makes a publication of some tables. Partitions are published as their table. */
export async function createPublication(
  connection: PgConnection,
  name: string,
  tables: readonly Named[],
): Promise<void> {
  const list = tables.map((table) => `${quoteName(table.schema)}.${quoteName(table.name)}`).join(', ')
  await connection.query(
    `CREATE PUBLICATION ${quoteName(name)} FOR TABLE ${list} WITH (publish_via_partition_root = true)`,
    `making publication ${name}`,
  )
}

export async function addToPublication(
  connection: PgConnection,
  name: string,
  tables: readonly Named[],
): Promise<void> {
  const list = tables.map((table) => `${quoteName(table.schema)}.${quoteName(table.name)}`).join(', ')
  await connection.query(
    `ALTER PUBLICATION ${quoteName(name)} ADD TABLE ${list}`,
    `adding ${list} to publication ${name}`,
  )
}

/** Whether this user owns a publication and a table, which adding it takes. */
export async function mayAddToPublication(connection: PgConnection, name: string, table: number): Promise<boolean> {
  const [row] = await connection.query(
    `SELECT pg_catalog.pg_has_role(p.pubowner, 'USAGE') AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
     FROM pg_catalog.pg_publication p, pg_catalog.pg_class c
     WHERE p.pubname = ${quoteText(name)} AND c.oid = ${table}`,
    `asking for the right to change publication ${name}`,
  )
  return row?.[0] === 't'
}
