import type { SplitAssignment } from '../../core/source.ts'
import { formatLsn, parseLsn, readSlot, type Lsn, type PgConnection } from '../../clients/postgres-replication/index.ts'
import { ahead, lost } from './lost.ts'
import { chunkSpecFromJson, tableSpecFromJson, WAL, type TableSpec } from './split.ts'
import { neededFrom, walPositionFromJson, type WalPosition } from './wal-position.ts'

/** Which server this is, and how far its log goes. */
export interface ServerIdentity {
  readonly system: string
  readonly timeline: number
  readonly end: Lsn
}

/** Asks a replication connection. */
export async function identify(connection: PgConnection): Promise<ServerIdentity> {
  const [row] = await connection.query('IDENTIFY_SYSTEM', 'asking the server who it is')
  return { system: row?.[0] ?? '', timeline: Number(row?.[1]), end: parseLsn(row?.[2] ?? '') }
}

/**
 * Can the server still give everything that follows these positions? Throws POSITION_LOST or POSITION_AHEAD. Without a
 * slot only the rows that are there are read.
 */
export async function verifyPositions(
  connection: PgConnection,
  slotName: string | undefined,
  restored: readonly SplitAssignment[],
): Promise<void> {
  if (restored.length === 0) return
  const server = await identify(connection)
  for (const { split, spec } of restored) {
    const { system } = spec
    if (system !== server.system) {
      const why = `this is another server (system identifier ${server.system}, and it was ${String(system)})`
      throw lost(`split ${split}`, why)
    }
    // One that joins later may be gone again: nobody has followed it yet.
    if (split !== WAL && !chunkSpecFromJson(spec).isJoining) await verifyTable(connection, tableSpecFromJson(spec))
  }
  if (slotName === undefined) return
  const slot = await readSlot(connection, slotName)
  const what = `replication slot ${slotName}`
  if (slot === undefined) {
    throw lost(what, 'it does not exist any more, so changes since the checkpoint may be gone')
  }
  if (slot.walStatus === 'lost') {
    throw lost(what, 'the server gave up the log that it needs (max_slot_wal_keep_size): changes since then are gone')
  }
  const wal = restored.find(({ split }) => split === WAL)
  if (wal !== undefined) await verifyWal(connection, what, { server, confirmed: slot.confirmed }, wal)
}

async function verifyTable(connection: PgConnection, { schema, name, oid }: TableSpec): Promise<void> {
  const what = `table ${schema}.${name}`
  const [row] = await connection.query(`SELECT 1 FROM pg_catalog.pg_class WHERE oid = ${oid}`, `looking for ${what}`)
  if (row === undefined) throw lost(what, 'it was dropped, or dropped and made again, before it was read to its end')
}

async function verifyWal(
  connection: PgConnection,
  what: string,
  { server, confirmed }: { readonly server: ServerIdentity; readonly confirmed: Lsn | undefined },
  { at }: SplitAssignment,
): Promise<void> {
  const position = walPositionFromJson(at)
  verifyKept(what, confirmed, neededFrom(position))
  const end = await endOfHistory(connection, server, position)
  if (position.lsn > end) throw ahead(what, position.lsn, end)
}

/** Throws POSITION_LOST where the slot does not give everything from `needed` on: it would begin later without a word. */
export function verifyKept(what: string, confirmed: Lsn | undefined, needed: Lsn): void {
  if (confirmed === undefined || confirmed <= needed) return
  const gap = `${formatLsn(needed)} to ${formatLsn(confirmed)}`
  throw lost(what, `somebody else confirmed it: transactions from ${gap} will not be sent again`, { lost: gap })
}

/** Where the history ends that a position belongs to: on an older timeline, where the server left it. */
async function endOfHistory(connection: PgConnection, server: ServerIdentity, { timeline }: WalPosition): Promise<Lsn> {
  if (timeline === server.timeline) return server.end
  if (timeline > server.timeline) return 0n
  const [row] = await connection.query(`TIMELINE_HISTORY ${server.timeline}`, 'reading the history of timelines')
  return leftAt(row?.[1] ?? '', timeline) ?? 0n
}

/** A line of a history file: a timeline, where it was left, and why. */
export function leftAt(history: string, timeline: number): Lsn | undefined {
  for (const line of history.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line)
    if (match !== null && Number(match[1]) === timeline) return parseLsn(match[2] ?? '')
  }
  return undefined
}
