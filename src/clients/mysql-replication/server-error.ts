import { MillraceError, type Retry } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/error-codes.ts'

/** What the server answered in the place of what was asked for. */
export interface ServerError {
  readonly number: number
  readonly state: string
  readonly message: string
}

/** An ERR packet: 0xff, number, `#` and SQL state, message. Before the login is through the state is missing. */
export function parseServerError(packet: Buffer): ServerError {
  const number = packet.readUInt16LE(1)
  const hasState = packet[3] === 0x23
  return {
    number,
    state: hasState ? packet.toString('latin1', 4, 9) : '',
    message: packet.toString('utf8', hasState ? 9 : 3),
  }
}

/** 1045, 1044, 1142, 1143, 1227, 1698: refused or not granted; 1130: this host may not connect; 3118: locked account. */
const REFUSED = new Set([1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698, 1820, 1862, 3118, 3159, 3955])
/** What is not there: database, table, column. */
const ABSENT = new Set([1049, 1054, 1146])

/** The server's error with what was being done; numbers are those of the MySQL error reference. */
export function serverError(error: ServerError, doing: string): MillraceError {
  const [code, retry] = classify(error.number)
  return new MillraceError(`${doing}: the MySQL server answered ${error.number} (${error.state}): ${error.message}`, {
    code,
    retry,
    detail: { number: error.number, state: error.state },
  })
}

function classify(number: number): readonly [ErrorCode, Retry] {
  if (REFUSED.has(number)) return ['AUTH', 'halt']
  if (ABSENT.has(number)) return ['SCHEMA', 'halt']
  return ['UNAVAILABLE', 'restart']
}

/** MariaDB says 4052 where MySQL says 1236: another reader with our server id came. */
const KICKED =
  /slave with the same server_uuid\/server_id|replica with the same server_uuid\/server_id|same server_uuid/i
const AHEAD =
  /more GTIDs than the (?:source|master) has|has more GTIDs|which is not in the master's binlog|impossible position|position > file size|bogus data in log event|truncated in the middle of event/i
const LOST = /purged|could not find first log file|Could not open log file|no longer|missing/i

export type DumpTrouble = 'kicked' | 'position-lost' | 'position-ahead' | 'other'

/**
 * What an error that ends a binlog dump means. Number 1236 (ER_MASTER_FATAL_ERROR_READING_BINLOG) carries all of them and
 * only the text tells them apart (sql/rpl_binlog_sender.cc; MariaDB sql/sql_repl.cc).
 */
export function dumpTrouble({ number, message }: ServerError): DumpTrouble {
  if (number === 4052 || KICKED.test(message)) return 'kicked'
  if (number !== 1236 && number !== 1789) return 'other'
  if (AHEAD.test(message)) return 'position-ahead'
  if (LOST.test(message)) return 'position-lost'
  return 'other'
}
