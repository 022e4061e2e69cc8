import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { MillraceError, toMillraceError, wrapError } from '../../core/errors.ts'
import { isLoopback } from '../../core/host-address.ts'
import type { Secret } from '../../core/secret.ts'
import { addressGuard } from './addresses.ts'
import { clearPassword, encryptedPassword, scramble } from './authentication.ts'
import { loginRequest, offersTls, parseGreeting, tlsRequest, type Greeting } from './handshake.ts'
import { PacketFields } from './packet-fields.ts'
import { PacketSocket } from './packet-socket.ts'
import { parseServerError, serverError } from './server-error.ts'

export interface TlsOptions {
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  /** Accepts any certificate. Whoever sits between can then read and change everything. */
  readonly insecureSkipVerify: boolean
}

export interface MysqlAddress {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Secret
  readonly tls?: TlsOptions | undefined
  /** Allows a login without TLS at a host that is not loopback. */
  readonly allowPlaintext: boolean
  readonly connectTimeoutMs: number
}

const QUERY = 0x03
const OK = 0x00
const EOF = 0xfe
const ERR = 0xff

/** A row of a small result: texts, or null. */
export type TextRow = readonly (string | null)[]

/**
 * One connection to a MySQL or MariaDB server, for few questions, large results read row by row, and binlog dumps. It
 * does one thing at a time. Once it has failed it is not used again.
 */
export class MysqlConnection implements AsyncDisposable {
  readonly what: string
  #packets: PacketSocket
  #version = ''
  #threadId = 0

  static async open(address: MysqlAddress): Promise<MysqlConnection> {
    const what = `the connection to MySQL ${address.host}:${address.port}`
    addressGuard.assertAllowed(address.host)
    if (address.tls === undefined && !address.allowPlaintext && !isLocal(address.host)) {
      throw new MillraceError(
        `connecting to MySQL ${address.host}:${address.port}: without \`tls\` everybody between reads along. Give ` +
          '`tls: {}`, or `allowPlaintext: true`',
        { code: 'CONFIG' },
      )
    }
    const socket = connectTcp({ host: address.host, port: address.port, lookup: addressGuard.lookup, noDelay: true })
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer within ${address.connectTimeoutMs} ms`)),
      address.connectTimeoutMs,
    )
    const connection = new MysqlConnection(what, new PacketSocket(socket, what))
    try {
      await connection.#logIn(address)
      return connection
    } catch (error) {
      connection.close()
      throw wrapError(error, `connecting to MySQL ${address.host}:${address.port} as ${address.username}`)
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(what: string, packets: PacketSocket) {
    this.what = what
    this.#packets = packets
  }

  /** As the server spells it, for example `10.11.6-MariaDB-log` or `8.0.36`. */
  get version(): string {
    return this.#version
  }

  get threadId(): number {
    return this.#threadId
  }

  get isOpen(): boolean {
    return this.#packets.isOpen
  }

  /** The rows of a small result. */
  async query(sql: string): Promise<TextRow[]> {
    const rows: TextRow[] = []
    await this.queryRows(sql, (fields, columns) => {
      rows.push(Array.from({ length: columns }, () => fields.stringOrNull()?.toString('utf8') ?? null))
    })
    return rows
  }

  /** Runs a statement and hands each row on as it comes; its bytes are good during that call only. */
  async queryRows(sql: string, take: (row: PacketFields, columns: number) => void): Promise<void> {
    this.#packets.send(Buffer.concat([Buffer.from([QUERY]), Buffer.from(sql)]), true)
    const first = await this.#packet()
    if (first[0] === ERR) throw serverError(parseServerError(first), `asking ${named(sql)}`)
    if (first[0] === OK) return
    const columns = new PacketFields(first).length()
    // The columns' descriptions, and an EOF behind them: names and types are known from elsewhere.
    for (let at = 0; at <= columns; at++) await this.#packet()
    for (;;) {
      const packet = await this.#packet()
      if (isEnd(packet)) return
      if (packet[0] === ERR) throw serverError(parseServerError(packet), `reading the answer to ${named(sql)}`)
      take(new PacketFields(packet), columns)
    }
  }

  /** Sends a command whose answer is a stream of packets: `nextPacket` and `morePackets` read it. */
  command(payload: Buffer): void {
    this.#packets.send(payload, true)
  }

  /** A packet that has come already; good until the next `await`. */
  nextPacket(): Buffer | undefined {
    return this.#packets.next()
  }

  /** Waits until something comes; false when `signal` was aborted or the time had passed before. */
  async morePackets(signal: AbortSignal, waitMs?: number): Promise<boolean> {
    return await this.#packets.more(signal, waitMs)
  }

  /** From now on a connection on which nothing comes for so long is taken for broken. */
  expectWithin(ms: number): void {
    this.#packets.expectWithin(ms)
  }

  close(): void {
    this.#packets.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #packet(): Promise<Buffer> {
    for (;;) {
      const packet = this.#packets.next()
      if (packet !== undefined) return packet
      await this.#packets.more()
    }
  }

  async #logIn(address: MysqlAddress): Promise<void> {
    const hello = await this.#packet()
    if (hello[0] === ERR) throw serverError(parseServerError(hello), 'greeting')
    const greeting = parseGreeting(hello)
    this.#version = greeting.version.replace(/^5\.5\.5-/, '')
    this.#threadId = greeting.threadId
    const isEncrypted = address.tls !== undefined
    if (address.tls !== undefined) await this.#encrypt(address.host, address.tls, greeting)
    const plugin = greeting.plugin === 'mysql_native_password' ? greeting.plugin : 'caching_sha2_password'
    const answer = scramble(plugin, address.password, greeting.nonce)
    this.#packets.send(loginRequest(address.username, answer, plugin, isEncrypted), false)
    await this.#finishLogin(address, greeting.nonce, isEncrypted)
  }

  async #encrypt(host: string, tls: TlsOptions, greeting: Greeting): Promise<void> {
    if (!offersTls(greeting)) {
      throw new MillraceError('the server has no TLS, and `tls` is asked for', { code: 'REDIRECT_DENIED' })
    }
    this.#packets.send(tlsRequest(), false)
    const { sequence } = this.#packets
    const plain: Socket = this.#packets.release()
    const socket = connectTls({
      socket: plain,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      rejectUnauthorized: tls.insecureSkipVerify !== true,
      // Without a name in SNI Node checks the certificate against this one.
      host,
    })
    await once(socket, 'secureConnect').catch((error: unknown) => {
      throw new MillraceError(`encrypting: ${toMillraceError(error).message}`, {
        code: 'UNAVAILABLE',
        retry: 'restart',
      })
    })
    this.#packets = new PacketSocket(socket, this.what)
    this.#packets.sequence = (sequence + 1) & 0xff
  }

  async #finishLogin(address: MysqlAddress, nonce: Buffer, isEncrypted: boolean): Promise<void> {
    let salt = nonce
    for (;;) {
      const packet = await this.#packet()
      switch (packet[0]) {
        case OK:
          return
        case ERR:
          throw serverError(parseServerError(packet), 'logging in')
        case EOF: {
          const fields = new PacketFields(packet, 1)
          const plugin = fields.untilZero().toString('latin1')
          salt = Buffer.from(fields.rest().subarray(0, 20))
          this.#packets.send(scramble(plugin, address.password, salt), false)
          break
        }
        case 0x01:
          await this.#continueSha2(packet, address, salt, isEncrypted)
          break
        default:
          throw new MillraceError(`logging in: unexpected packet of kind ${packet[0]}`, { code: 'DECODE' })
      }
    }
  }

  /** caching_sha2_password: 3, the scramble was enough; 4, the server does not remember the user and needs the password. */
  async #continueSha2(packet: Buffer, address: MysqlAddress, salt: Buffer, isEncrypted: boolean): Promise<void> {
    if (packet[1] === 3) return
    if (packet[1] !== 4) throw new MillraceError(`logging in: unexpected step ${packet[1]}`, { code: 'DECODE' })
    if (isEncrypted) return this.#packets.send(clearPassword(address.password), false)
    this.#packets.send(Buffer.from([0x02]), false)
    const answer = await this.#packet()
    const key = answer.toString('latin1', 1)
    this.#packets.send(encryptedPassword(address.password, salt, key), false)
  }
}

function isLocal(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && isLoopback(host))
}

/** An EOF packet is short; a row may begin with the same byte when its first value is very long. */
function isEnd(packet: Buffer): boolean {
  return packet[0] === EOF && packet.length < 9
}

/** Enough of a statement to know it by; values of rows never stand in ours. */
function named(sql: string): string {
  const line = sql.replace(/\s+/g, ' ')
  return line.length > 120 ? `${line.slice(0, 117)}…` : line
}
