import { MillraceError } from '../../core/errors.ts'
import { GtidSet, MariadbPosition, type MysqlConnection } from '../../clients/mysql-replication/index.ts'
import { flavourOf } from './connect.ts'
import { storedPlace, type Place } from './stored-place.ts'

/** Where in its files the server writes next. It may be ahead of what a SELECT sees: good as an upper bound only. */
export async function writtenUpTo(
  connection: MysqlConnection,
): Promise<{ file: string; position: number; gtid: string }> {
  const isNew = flavourOf(connection) === 'mysql' && versionNumber(connection.version) >= 8.02
  const [row] = await connection.query(isNew ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS')
  const [file, position, , , gtid] = row ?? []
  if (file === undefined || file === null || file === '') {
    throw new MillraceError('asking MySQL where its binlog stands: it writes none. Start the server with log_bin', {
      code: 'PREFLIGHT',
    })
  }
  return { file, position: Number(position), gtid: (gtid ?? '').replaceAll(/\s/g, '') }
}

/**
 * A place in the log before which everything is visible to every later SELECT. Positions in files are not: with group
 * commit they run ahead of what is visible. What is: MySQL's set of executed transactions, and in MariaDB the position
 * that belongs to a consistent snapshot.
 */
export async function visibleUpTo(connection: MysqlConnection): Promise<Place> {
  const server = await serverOf(connection)
  if (flavourOf(connection) === 'mariadb') return await snapshotPlace(connection, server)
  const [row] = await connection.query('SELECT @@global.gtid_mode, @@global.gtid_executed')
  const [mode, executed] = row ?? []
  if (mode !== 'ON') {
    throw new MillraceError(
      `beginning the initial snapshot: gtid_mode is ${mode}, and without GTIDs nobody can tell which transactions a SELECT ` +
        'has seen. SET GLOBAL gtid_mode = ON (in its steps), or begin with `start: latest`',
      { code: 'PREFLIGHT' },
    )
  }
  const { file, position } = await writtenUpTo(connection)
  return storedPlace({ flavour: 'mysql', gtid: (executed ?? '').replaceAll(/\s/g, ''), file, position }, server)
}

/** How many XA transactions are prepared and not decided; 0 where the user may not ask (MySQL: XA_RECOVER_ADMIN). */
export async function preparedTransactions(connection: MysqlConnection): Promise<number> {
  try {
    return (await connection.query('XA RECOVER')).length
  } catch (thrown) {
    // 1401 (XAER_RMERR) is what MySQL says to a user without the right.
    if (thrown instanceof MillraceError && (thrown.code === 'AUTH' || thrown.detail['number'] === 1401)) return 0
    throw thrown
  }
}

/** The end of the log: what comes later is read, what is there now is not. */
export async function endOfLog(connection: MysqlConnection): Promise<Place> {
  const server = await serverOf(connection)
  const flavour = flavourOf(connection)
  if (flavour === 'mariadb') return await snapshotPlace(connection, server)
  const { file, position, gtid } = await writtenUpTo(connection)
  const [row] = await connection.query('SELECT @@global.gtid_mode')
  return storedPlace({ flavour, gtid: row?.[0] === 'ON' ? gtid : undefined, file, position }, server)
}

/** The place behind transactions that the user names: a set, or in MariaDB the last one of each domain. */
export async function placeBehind(connection: MysqlConnection, gtid: string): Promise<Place> {
  const flavour = flavourOf(connection)
  const read = flavour === 'mysql' ? GtidSet.parse(gtid) : MariadbPosition.parse(gtid)
  return storedPlace({ flavour, gtid: read.toString(), file: '', position: 0 }, await serverOf(connection))
}

async function snapshotPlace(connection: MysqlConnection, server: string): Promise<Place> {
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
  await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')
  const rows = await connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'")
  const value = (name: string): string => rows.find(([key]) => key?.toLowerCase() === name)?.[1] ?? ''
  const file = value('binlog_snapshot_file')
  const position = Number(value('binlog_snapshot_position'))
  const [row] = await connection.query(`SELECT BINLOG_GTID_POS('${file.replaceAll(/[^\w.-]/g, '')}', ${position})`)
  await connection.query('COMMIT')
  const gtid = row?.[0]
  if (file === '' || gtid === undefined || gtid === null) {
    throw new MillraceError(
      'asking MariaDB for the place of a snapshot in its binlog: it has none. Start the server with log_bin, and grant ' +
        'BINLOG MONITOR',
      { code: 'PREFLIGHT' },
    )
  }
  return storedPlace({ flavour: 'mariadb', gtid, file, position }, server)
}

export async function serverOf(connection: MysqlConnection): Promise<string> {
  const name = flavourOf(connection) === 'mariadb' ? '@@global.server_id' : '@@global.server_uuid'
  const [row] = await connection.query(`SELECT ${name}`)
  return row?.[0] ?? ''
}

/** Throws POSITION_LOST or POSITION_AHEAD where the server cannot go on from here. */
export async function verifyPlace(connection: MysqlConnection, place: Place): Promise<void> {
  if (flavourOf(connection) !== place.flavour) {
    throw refused(
      place,
      'POSITION_LOST',
      `the checkpoint is of ${place.flavour}, the server says ${connection.version}`,
    )
  }
  if (place.gtid === undefined) return await verifyFile(connection, place)
  if (place.flavour === 'mysql') return await verifySet(connection, place, place.gtid)
  return await verifyDomains(connection, place, place.gtid)
}

async function verifySet(connection: MysqlConnection, place: Place, gtid: string): Promise<void> {
  const [row] = await connection.query('SELECT @@global.gtid_purged, @@global.gtid_executed')
  const [purged, executed] = row ?? []
  const own = GtidSet.parse(gtid)
  if (!own.contains(GtidSet.parse(purged ?? ''))) {
    throw refused(
      place,
      'POSITION_LOST',
      'transactions that were not read yet were purged from its binlog (gtid_purged)',
    )
  }
  if (!GtidSet.parse(executed ?? '').contains(own)) {
    throw refused(place, 'POSITION_AHEAD', 'it has not executed all transactions that were read (gtid_executed)')
  }
}

async function verifyDomains(connection: MysqlConnection, place: Place, gtid: string): Promise<void> {
  const [row] = await connection.query('SELECT @@global.gtid_binlog_pos, @@global.gtid_current_pos')
  const own = MariadbPosition.parse(gtid)
  const ahead = own.aheadOf(MariadbPosition.parse(row?.[0] ?? '')).filter((domain) => {
    const current = MariadbPosition.parse(row?.[1] ?? '').sequenceOf(domain) ?? 0n
    return (own.sequenceOf(domain) ?? 0n) > current
  })
  if (ahead.length > 0) {
    throw refused(place, 'POSITION_AHEAD', `its binlog ends before what was read, in domain ${ahead.join(', ')}`)
  }
  // Nobody knows where the user found it: the server itself says when it cannot go on.
  if (place.file === '') return
  const files = await binlogFiles(connection)
  const [first] = files
  if (first === undefined || files.includes(place.file) || place.server !== (await serverOf(connection))) return
  throw refused(
    place,
    'POSITION_LOST',
    `its binlog begins with ${first} now: ${place.file} was purged before it was read`,
  )
}

async function verifyFile(connection: MysqlConnection, place: Place): Promise<void> {
  if ((await serverOf(connection)) !== place.server) {
    throw refused(place, 'POSITION_LOST', 'it is another server, on which a place in a file means nothing (no GTIDs)')
  }
  const files = await binlogFiles(connection)
  if (!files.includes(place.file)) {
    throw refused(place, 'POSITION_LOST', `its binlog has no file ${place.file}: it was purged before it was read`)
  }
  const end = await writtenUpTo(connection)
  if (end.file === place.file && end.position < place.position) {
    throw refused(place, 'POSITION_AHEAD', `its binlog ends at ${end.file}:${end.position}`)
  }
}

async function binlogFiles(connection: MysqlConnection): Promise<string[]> {
  return (await connection.query('SHOW BINARY LOGS')).map(([file]) => file ?? '')
}

function refused(place: Place, code: 'POSITION_LOST' | 'POSITION_AHEAD', why: string): MillraceError {
  const at = place.gtid === undefined ? `${place.file}:${place.position}` : `the transactions ${brief(place.gtid)}`
  return new MillraceError(`the checkpoint goes on behind ${at}, and the server cannot: ${why}`, {
    code,
    detail: { ...place, gtid: place.gtid ?? null },
  })
}

function brief(gtid: string): string {
  return gtid.length > 200 ? `${gtid.slice(0, 197)}…` : gtid
}

/** `8.0.36` → 8.00, `8.2.0` → 8.02, `10.11.6-MariaDB` → 10.11. */
function versionNumber(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return major + minor / 100
}
