import type { Socket } from 'node:net'
import { createConnection, type Connection, type ConnectionOptions, type FieldPacket, type QueryError } from 'mysql2'
import { toMillraceError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import { guardedSocket } from './guarded-socket.ts'
import { mysqlError, mysqlErrorNumber } from './errors.ts'
import { takeRowPackets, type TakeRow } from './row-packets.ts'

export interface MysqlAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret
  readonly database?: string | undefined
  /** Absent: no TLS. The server's certificate is verified, with `ca` (PEM) in place of the machine's authorities. */
  readonly tls?: { readonly ca?: string | undefined } | undefined
}

/** A cell: text as the server sent it (numbers, decimals and times too, so that nothing is rounded), bytes, or NULL. */
export type MysqlCell = string | Buffer | null

export interface MysqlResult {
  readonly rows: readonly (readonly MysqlCell[])[]
  readonly columns: readonly string[]
  /** Rows that the statement changed, as the server counts them. */
  readonly affected: number
  /** Warnings and notes that the statement left; `SHOW WARNINGS` lists them. */
  readonly warnings: number
}

/** MySQL, MariaDB and TiDB mean the same in most places; where they do not, one asks `flavour` and `version`. */
export interface MysqlServer {
  readonly flavour: 'mysql' | 'mariadb' | 'tidb'
  /** Numbers of the version, such as `[8, 0, 36]`. Of TiDB those of TiDB itself. */
  readonly version: readonly number[]
}

/** What `SET SESSION` gets at the start, so that the server's own settings change no value. */
export interface MysqlSession {
  /** Seconds; a lock that is not had by then is an error that may be retried. */
  readonly lockWaitS?: number
  /** Statements outside of an explicit transaction stay open until `COMMIT`. Default: they are committed at once. */
  readonly isManual?: boolean
}

/** Zero dates pass, as MySQL itself writes them; everything else that is no value of its column is refused. */
const SQL_MODE = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'

const CONNECT_MS = 10_000
/** Binary "character set" of columns of bytes. */
const BINARY = 63
const BIT = 16
const GEOMETRY = 255
/** VARCHAR, the four BLOBs (which TEXT shares), VAR_STRING and STRING. Source: the protocol's column types. */
const STRING_TYPES: ReadonlySet<number> = new Set([15, 249, 250, 251, 252, 253, 254])

/** One connection with one statement at a time. Errors are typed; after any of them the transaction has to be rolled back. */
export class MysqlConnection implements AsyncDisposable {
  readonly #connection: Connection
  readonly server: MysqlServer
  readonly #place: string
  #isBroken = false

  private constructor(connection: Connection, server: MysqlServer, place: string) {
    this.#connection = connection
    this.server = server
    this.#place = place
    connection.on('error', () => (this.#isBroken = true))
    connection.on('end', () => (this.#isBroken = true))
  }

  /**
   * Connects, logs in and sets the session: strict mode, UTC, utf8mb4, READ COMMITTED.
   *
   * @throws MillraceError `AUTH`, or `UNAVAILABLE` (retry) when the server cannot be reached.
   */
  static async open(address: MysqlAddress, session: MysqlSession = {}): Promise<MysqlConnection> {
    const place = `${address.host}:${address.port}`
    const raw = createConnection(connectionOptions(address))
    // An idle connection that breaks tells nobody else; the next statement hears of it.
    raw.on('error', () => undefined)
    try {
      await new Promise<void>((resolve, reject) => raw.connect((error) => (error === null ? resolve() : reject(error))))
      const opened = new MysqlConnection(raw, { flavour: 'mysql', version: [] }, place)
      const { rows } = await opened.query('SELECT VERSION()')
      const connection = new MysqlConnection(raw, parseServer(String(rows[0]?.[0] ?? '')), place)
      await connection.#prepare(session)
      return connection
    } catch (thrown) {
      raw.destroy()
      throw mysqlError(`connecting to ${place}`, thrown)
    }
  }

  /** False after the connection was lost. */
  get isUsable(): boolean {
    return !this.#isBroken
  }

  /** Runs one statement. `doing` goes into the message of an error; the statement, which may hold values, does not. */
  query(sql: string, doing = 'running a statement'): Promise<MysqlResult> {
    return new Promise((resolve, reject) => {
      this.#connection.query({ sql, rowsAsArray: true, typeCast: false }, (error, result, fields) => {
        if (error === null) return resolve(resultOf(result, fields))
        const typed = mysqlError(`${doing} on ${this.#place}`, error)
        // Without a number it is no answer of the server's.
        this.#isBroken ||= (error as QueryError & { fatal?: boolean }).fatal === true || mysqlErrorNumber(typed) <= 0
        reject(typed)
      })
    })
  }

  /**
   * Runs a query and hands on every row as the server sent it. An abort, an error of the server and one that `take`
   * throws end the connection; those of `take` are thrown as typed errors.
   */
  async streamRows(sql: string, doing: string, take: TakeRow, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let own: Error | undefined
    const taking: TakeRow = (bytes, start, end) => {
      try {
        return take(bytes, start, end)
      } catch (thrown) {
        own = toMillraceError(thrown)
        throw own
      }
    }
    const stop = (): void => {
      this.destroy()
      reject(new Error('aborted'))
    }
    signal?.addEventListener('abort', stop, { once: true })
    try {
      const query = this.#connection.query(sql, (error) => (error === null ? resolve() : reject(error)))
      const { stream } = this.#connection as unknown as { readonly stream: Socket }
      takeRowPackets(query, taking, stream)
      await promise
    } catch (thrown) {
      this.destroy()
      throw own ?? mysqlError(`${doing} on ${this.#place}`, thrown)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  async #prepare({ lockWaitS = 10, isManual = false }: MysqlSession): Promise<void> {
    await this.query(
      `SET SESSION sql_mode = '${SQL_MODE}', time_zone = '+00:00', innodb_lock_wait_timeout = ${lockWaitS}, ` +
        `autocommit = ${isManual ? 0 : 1}`,
    )
    await this.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  }

  /** Says goodbye; a server that does not answer is left alone after a second. */
  async close(): Promise<void> {
    if (this.#isBroken) return this.destroy()
    await new Promise<void>((resolve) => {
      const impatience = setTimeout(resolve, 1000)
      this.#connection.end(() => (clearTimeout(impatience), resolve()))
    })
    this.destroy()
  }

  /** Ends the connection at once: the server rolls back what is open. */
  destroy(): void {
    this.#isBroken = true
    this.#connection.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function connectionOptions({ host, port, user, password, database, tls }: MysqlAddress): ConnectionOptions {
  return {
    host,
    port,
    user,
    password: password.reveal(),
    ...(database === undefined ? {} : { database }),
    ...(tls === undefined ? {} : { ssl: { ...(tls.ca === undefined ? {} : { ca: tls.ca }), verifyIdentity: true } }),
    connectTimeout: CONNECT_MS,
    charset: 'utf8mb4_bin',
    stream: () => guardedSocket(host, port).setKeepAlive(true).setNoDelay(true),
    // The server may ask for a file of ours; there is none that it gets.
    flags: ['-LOCAL_FILES'],
  }
}

/** The part of a driver's field that says how its bytes are read. */
interface RawField {
  readonly columnType?: number
  readonly characterSet?: number
}

/** Bytes are columns of bytes, bits and geometries; everything else is text, JSON too, whatever the server calls it. */
function isBytes({ columnType = 0, characterSet }: RawField): boolean {
  return columnType === BIT || columnType === GEOMETRY || (characterSet === BINARY && STRING_TYPES.has(columnType))
}

function resultOf(result: unknown, fields: readonly FieldPacket[] | undefined): MysqlResult {
  if (Array.isArray(result)) {
    const asBytes = (fields ?? []).map((field) => isBytes(field as unknown as RawField))
    const rows = (result as (Buffer | null)[][]).map((row) =>
      row.map((cell, at): MysqlCell => (cell === null || asBytes[at] === true ? cell : cell.toString('utf8'))),
    )
    return { rows, columns: (fields ?? []).map(({ name }) => name), affected: 0, warnings: 0 }
  }
  const { affectedRows = 0, warningStatus = 0 } = result as { affectedRows?: number; warningStatus?: number }
  return { rows: [], columns: [], affected: affectedRows, warnings: warningStatus }
}

function parseServer(text: string): MysqlServer {
  const tidb = /TiDB-v?(\d+)\.(\d+)\.(\w+)/.exec(text)
  const flavour = tidb !== null ? 'tidb' : /mariadb/i.test(text) ? 'mariadb' : 'mysql'
  const [, ...numbers] = tidb ?? /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(text) ?? []
  return { flavour, version: numbers.map((part) => Number.parseInt(part, 10) || 0) }
}
