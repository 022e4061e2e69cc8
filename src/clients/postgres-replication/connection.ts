import type { Socket } from 'node:net'
import { MillraceError, toMillraceError, wrapError } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import type { PgAddress } from './address.ts'
import { Inbox } from './inbox.ts'
import { md5Answer, Scram } from './login.ts'
import { readServerMessage, serverError } from './server-error.ts'
import { networkError, openSocket, type SocketOptions } from './socket.ts'

export interface PgConnectionOptions {
  readonly address: PgAddress
  readonly username: string
  readonly password: Secret
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  /** A walsender of the database: it takes the commands of replication besides plain SQL. */
  readonly isReplication: boolean
  /** As `pg_stat_activity` shows it; cut by the server at 63 bytes. */
  readonly applicationName: string
  readonly connectTimeoutMs?: number
}

/** One row as text; NULL is null. */
export type PgRow = readonly (string | null)[]

/** Above this the server has to wait until something was used. */
const WAITING_MAX = 4 * 1024 * 1024

/** Texts of values depend on these; the stream and every SELECT have to give the same ones. */
const SESSION: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO, MDY'],
  ['IntervalStyle', 'postgres'],
  ['TimeZone', 'UTC'],
  ['extra_float_digits', '1'],
  ['bytea_output', 'hex'],
]

export const MESSAGE = {
  authentication: 0x52, // R
  backendKey: 0x4b, // K
  copyBoth: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  dataRow: 0x44, // D
  error: 0x45, // E
  notice: 0x4e, // N
  notification: 0x41, // A
  parameter: 0x53, // S
  ready: 0x5a, // Z
} as const

/**
 * One connection that speaks the simple query protocol and COPY in both directions (PostgreSQL documentation,
 * "Frontend/Backend Protocol"). Whoever uses it takes one message after the other; what is not taken stops the server.
 */
export class PgConnection implements AsyncDisposable {
  /** The current message, as `next` found it. */
  readonly inbox: Inbox = new Inbox()
  readonly #options: PgConnectionOptions
  readonly #socket: Socket
  readonly isEncrypted: boolean
  /** Process of the server that serves this connection. */
  pid = 0
  #failure: MillraceError | undefined
  #wake: () => void = () => undefined

  /** Connects and logs in. */
  static async open(options: PgConnectionOptions): Promise<PgConnection> {
    const { address, ca, connectTimeoutMs = 10_000 } = options
    const limits: SocketOptions = { address, ca, connectTimeoutMs }
    const { socket, isEncrypted } = await openSocket(limits)
    const connection = new PgConnection(options, socket, isEncrypted)
    const timer = setTimeout(
      () => socket.destroy(connection.#lost(`no login within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    )
    try {
      await connection.#login()
      return connection
    } catch (error) {
      connection.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(options: PgConnectionOptions, socket: Socket, isEncrypted: boolean) {
    this.#options = options
    this.#socket = socket
    this.isEncrypted = isEncrypted
    socket.removeAllListeners('error').removeAllListeners('close')
    socket.on('data', (chunk: Buffer) => {
      this.inbox.push(chunk)
      if (this.inbox.waiting > WAITING_MAX) socket.pause()
      this.#wake()
    })
    socket.on('error', (error) => this.#fail(networkError(`talking to ${this.#server}`, error)))
    socket.on('close', () => this.#fail(this.#lost('the server closed the connection')))
    socket.resume()
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** Runs one statement and returns its rows as text. */
  async query(sql: string, doing: string): Promise<PgRow[]> {
    this.send('Q', text(sql))
    const rows: PgRow[] = []
    let refused: MillraceError | undefined
    for (;;) {
      await this.#message(doing)
      const { type, bytes, at, end } = this.inbox
      if (type === MESSAGE.ready) break
      if (type === MESSAGE.error) refused ??= serverError(doing, readServerMessage(bytes, at, end))
      else if (type === MESSAGE.dataRow) rows.push(readRow(bytes, at))
    }
    if (refused !== undefined) throw refused
    return rows
  }

  /** Sends a statement whose rows are taken one by one: `next`, until a message of the type `ready`. */
  startRows(sql: string): void {
    this.send('Q', text(sql))
  }

  /** Starts a command that turns the connection into a COPY in both directions, such as START_REPLICATION. */
  async copyBoth(command: string, doing: string): Promise<void> {
    this.send('Q', text(command))
    for (;;) {
      await this.#message(doing)
      const { type, bytes, at, end } = this.inbox
      if (type === MESSAGE.copyBoth) return
      if (type === MESSAGE.error) throw serverError(doing, readServerMessage(bytes, at, end))
    }
  }

  /**
   * Makes the next message current; false when there is none yet. Notices and changed settings are passed over; a broken
   * connection is told when everything that came before was taken.
   */
  next(): boolean {
    while (this.inbox.next()) {
      const { type } = this.inbox
      if (type !== MESSAGE.notice && type !== MESSAGE.parameter && type !== MESSAGE.notification) return true
    }
    if (this.#failure !== undefined) throw this.#failure
    return false
  }

  /** Resolves when more has come, after `ms`, or when the signal is aborted. */
  async more(ms?: number, signal?: AbortSignal): Promise<void> {
    if (this.#failure !== undefined || signal?.aborted === true) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
    const aborted = (): void => resolve()
    signal?.addEventListener('abort', aborted)
    this.#socket.resume()
    await promise
    this.#wake = () => undefined
    signal?.removeEventListener('abort', aborted)
    clearTimeout(timer)
  }

  /** Sends a message: `Q` a query, `d` data of a COPY, `p` an answer of the login. */
  send(type: 'Q' | 'd' | 'p', body: Uint8Array): void {
    const head = Buffer.allocUnsafe(5)
    head.write(type, 0, 'latin1')
    head.writeInt32BE(body.length + 4, 1)
    this.#socket.write(Buffer.concat([head, body]))
  }

  /** Ends the connection at once; a statement that runs is broken off. */
  close(): void {
    this.#fail(this.#lost('the connection was closed'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #message(doing: string): Promise<void> {
    try {
      while (!this.next()) await this.more()
    } catch (error) {
      throw wrapError(error, doing)
    }
  }

  async #login(): Promise<void> {
    const { address, username, isReplication, applicationName } = this.#options
    const doing = `logging in to ${this.#server} as ${username}, database ${address.database}`
    const settings: (readonly [string, string])[] = [
      ['user', username],
      ['database', address.database],
      ...(isReplication ? [['replication', 'database'] as const] : []),
      ['application_name', applicationName],
      ...SESSION,
    ]
    this.#socket.write(startup(settings))
    let scram: Scram | undefined
    for (;;) {
      await this.#message(doing)
      const { type, bytes, at, end } = this.inbox
      if (type === MESSAGE.error) throw serverError(doing, readServerMessage(bytes, at, end))
      if (type === MESSAGE.backendKey) this.pid = bytes.readInt32BE(at)
      if (type === MESSAGE.ready) return
      if (type === MESSAGE.authentication) scram = await this.#answer(doing, scram)
    }
  }

  /** Answers an Authentication message; the numbers are those of its documentation. */
  async #answer(doing: string, scram: Scram | undefined): Promise<Scram | undefined> {
    const { bytes, at, end } = this.inbox
    const { username, password } = this.#options
    const kind = bytes.readInt32BE(at)
    const body = bytes.toString('utf8', at + 4, end)
    switch (kind) {
      case 0: // AuthenticationOk
        return undefined
      case 3: // AuthenticationCleartextPassword
        if (!this.isEncrypted && !isLocal(this.#socket)) {
          const message = `${doing}: the server wants the password unencrypted: use sslmode=require or SCRAM`
          throw new MillraceError(message, { code: 'CONFIG' })
        }
        this.send('p', text(password.reveal()))
        return undefined
      case 5: // AuthenticationMD5Password
        this.send('p', text(md5Answer(username, password, bytes.subarray(at + 4, at + 8))))
        return undefined
      case 10: {
        // AuthenticationSASL: a list of mechanisms.
        if (!body.split('\0').includes('SCRAM-SHA-256')) throw unsupported(doing, body.replaceAll('\0', ' '))
        const fresh = new Scram(doing, password)
        const first = Buffer.from(fresh.first())
        const length = Buffer.alloc(4)
        length.writeInt32BE(first.length)
        this.send('p', Buffer.concat([text('SCRAM-SHA-256'), length, first]))
        return fresh
      }
      case 11: // AuthenticationSASLContinue
        if (scram === undefined) throw unsupported(doing, 'SASL out of order')
        this.send('p', Buffer.from(await scram.final(body)))
        return scram
      case 12: // AuthenticationSASLFinal
        if (scram === undefined) throw unsupported(doing, 'SASL out of order')
        scram.check(body)
        return undefined
      default:
        throw unsupported(doing, `authentication method ${kind}`)
    }
  }

  get #server(): string {
    return `Postgres at ${this.#options.address.host}:${this.#options.address.port}`
  }

  #lost(why: string): MillraceError {
    return new MillraceError(`${this.#server}: ${why}`, { code: 'UNAVAILABLE', retry: 'restart' })
  }

  #fail(error: unknown): void {
    this.#failure ??= toMillraceError(error)
    this.#socket.destroy()
    this.#wake()
  }
}

/** The values of a DataRow. */
export function readRow(bytes: Buffer, from: number): PgRow {
  const count = bytes.readInt16BE(from)
  const row: (string | null)[] = []
  for (let at = from + 2; row.length < count;) {
    const length = bytes.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : bytes.toString('utf8', at, at + length))
    if (length > 0) at += length
  }
  return row
}

function startup(settings: readonly (readonly [string, string])[]): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(3 << 16, 4) // protocol 3.0
  const packet = Buffer.concat([head, ...settings.flat().map(text), Buffer.alloc(1)])
  packet.writeInt32BE(packet.length, 0)
  return packet
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

function isLocal(socket: Socket): boolean {
  return socket.remoteAddress === '127.0.0.1' || socket.remoteAddress === '::1'
}

function unsupported(doing: string, what: string): MillraceError {
  return new MillraceError(`${doing}: the server wants ${what}; SCRAM-SHA-256, md5 and passwords over TLS work`, {
    code: 'AUTH',
    retry: 'halt',
  })
}
