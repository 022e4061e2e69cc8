import type { ErrorCode } from '../../core/error-codes.ts'
import { MillraceError, type Retry } from '../../core/errors.ts'

/** What the driver throws: the server's number and symbol, or a code of the network. */
interface DriverError {
  readonly code?: unknown
  readonly errno?: unknown
  readonly sqlState?: unknown
  readonly sqlMessage?: unknown
  readonly message?: unknown
}

interface Class {
  readonly code: ErrorCode
  readonly retry: Retry
  /** The server's words quote values of rows: only the column's name is taken from them. */
  readonly isPrivate?: boolean
}

const AGAIN: Class = { code: 'UNAVAILABLE', retry: 'retry' }
const REFUSED: Class = { code: 'AUTH', retry: 'halt' }
const SHAPE: Class = { code: 'SCHEMA', retry: 'halt' }
const VALUE: Class = { code: 'POISON', retry: 'halt', isPrivate: true }
const OURS: Class = { code: 'INTERNAL', retry: 'halt', isPrivate: true }

/*
 * By number: MySQL's share/messages_to_clients.txt, MariaDB's sql/share/errmsg-utf8.txt, TiDB's pkg/errno/errcode.go.
 * `AGAIN` means that the whole transaction may be run once more.
 */
const CLASSES: ReadonlyMap<number, Class> = new Map([
  // Deadlock, lock wait, connection limits, shutdown, killed queries, time limits, idle connections.
  ...all(AGAIN, 1213, 1205, 1040, 1203, 1226, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 1969),
  ...all(AGAIN, 3024, 3572, 4031, 1020, 1180, 1099, 1100, 1014, 1021, 1037, 1038, 1041),
  // Read-only: a server that is being failed over.
  ...all(AGAIN, 1290, 1792, 1836, 3100, 3101),
  // TiDB: write conflicts, schema changes under a transaction, regions and timestamps that are not to be had now.
  ...all(AGAIN, 8002, 8022, 8027, 8028, 8005, 8055, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 9009, 9010),
  ...all(AGAIN, 9011, 9012, 9013, 8215, 8229),
  ...all(REFUSED, 1044, 1045, 1130, 1142, 1143, 1227, 1251, 1370, 1410, 1698, 1820, 1862, 3118, 3159, 3955),
  ...all(
    SHAPE,
    1049,
    1051,
    1054,
    1072,
    1091,
    1109,
    1136,
    1146,
    1060,
    1061,
    1068,
    1071,
    1075,
    1118,
    1170,
    1286,
    1050,
    1425,
    1426,
  ),
  // Values: NULL, range, cut off, no such value, duplicates, foreign keys, checks, packets, JSON, partitions.
  ...all(VALUE, 1048, 1264, 1265, 1366, 1292, 1406, 1062, 1216, 1217, 1452, 1451, 3819, 4025, 1153, 1364, 3140, 3141),
  ...all(VALUE, 1526, 1300, 1411, 1439, 1690, 1367, 1441, 1859, 4161, 8025, 8004, 3156, 3903, 1586, 1022, 3854),
  ...all(OURS, 1064, 1065, 1149, 1210, 1231, 1318),
])

const NETWORK =
  /^(PROTOCOL_|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|EADDR|ERR_STREAM|ERR_SOCKET|ER_CON_COUNT|HANDSHAKE_NO_SSL)/

/** A typed error with the server's number and symbol. What quotes values of rows keeps only the name of the column. */
export function mysqlError(doing: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const { code, errno, sqlState, sqlMessage, message } = thrown as DriverError
  const number = typeof errno === 'number' ? errno : 0
  const symbol = typeof code === 'string' ? code : 'error'
  const own = CLASSES.get(number) ?? (NETWORK.test(symbol) || isClosed(message) ? AGAIN : undefined)
  const certificate = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|HANDSHAKE_SSL)/.test(symbol)
  // What the server says and nobody has classified may quote values too.
  const other: Class = certificate ? REFUSED : { code: 'UNAVAILABLE', retry: 'restart', isPrivate: number > 0 }
  const { code: kind, retry, isPrivate } = own ?? other
  const words = typeof sqlMessage === 'string' ? sqlMessage : String(message ?? thrown)
  const said = isPrivate === true ? columnIn(words) : words
  const label = number > 0 ? `${symbol} (${number})` : symbol
  return new MillraceError(`${doing}: ${label}${said === '' ? '' : `: ${said}`}`, {
    code: kind,
    retry,
    detail: { number, symbol, ...(typeof sqlState === 'string' ? { sqlState } : {}) },
  })
}

/** The server's error number of a typed error, 0 when it is none of a server. */
export function mysqlErrorNumber(error: unknown): number {
  const number = error instanceof MillraceError ? error.detail['number'] : undefined
  return typeof number === 'number' ? number : 0
}

function isClosed(message: unknown): boolean {
  return (
    typeof message === 'string' && /closed state|Connection lost|connection is closed|already enqueued/i.test(message)
  )
}

/** `Data too long for column 'name' at row 3` → `column name`. The names of columns and keys are no values. */
function columnIn(words: string): string {
  const column = /column ['`](?:`[^`]*`\.)*`?([^'`]+)['`]/i.exec(words)?.[1]
  const key = /for key '([^']+)'/.exec(words)?.[1]
  return column !== undefined ? `column ${column}` : key !== undefined ? `key ${key}` : ''
}

function all(kind: Class, ...numbers: readonly number[]): [number, Class][] {
  return numbers.map((number) => [number, kind])
}
