import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { authorityOf } from './address.ts'
import { type HttpReply, ReplyParser } from './reply-parser.ts'
import type { ResolvedTarget } from './resolve.ts'
import { within } from './wire-error.ts'

export interface ConnectOptions {
  readonly connectMs: number
  readonly tls: { readonly ca?: string; readonly insecureSkipVerify?: boolean }
}

/** What the server did with a request head. */
export type HeadAnswer = 'continue' | 'final'

/** One request on a connection. Both promises may be left alone: their failures are marked as handled. */
export interface Exchange {
  /** The first answer: `100 Continue`, or the final reply without one. */
  readonly answered: Promise<HeadAnswer>
  readonly reply: Promise<HttpReply>
  /** Whether any byte of an answer arrived. */
  hasStarted(): boolean
}

const CRLF = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

interface Pending {
  readonly answered: PromiseWithResolvers<HeadAnswer>
  readonly reply: PromiseWithResolvers<HttpReply>
}

/** One socket, one request at a time. Any failure ends it. */
export class Connection {
  readonly #socket: Socket
  readonly #parser: ReplyParser
  #pending: Pending | undefined
  #failure: Error | undefined
  /** Whether an earlier request used this connection: the server may be closing it just now. */
  isReused = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#parser = new ReplyParser({
      provisional: (status) => {
        if (status === 100) this.#pending?.answered.resolve('continue')
      },
      final: (reply) => this.#settle(reply),
    })
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('end', () => this.#peerClosed())
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** Tries the addresses in turn, within one deadline. */
  static async open(target: ResolvedTarget, options: ConnectOptions): Promise<Connection> {
    const deadline = performance.now() + options.connectMs
    let last: unknown
    for (const address of target.addresses) {
      try {
        return new Connection(await openSocket(target, address, deadline - performance.now(), options))
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  get isUsable(): boolean {
    return this.#failure === undefined && this.#pending === undefined && !this.#socket.destroyed
  }

  /** Sends a request head (and nothing else). */
  start(head: string): Exchange {
    const pending: Pending = { answered: Promise.withResolvers(), reply: Promise.withResolvers() }
    pending.answered.promise.catch(() => undefined)
    pending.reply.promise.catch(() => undefined)
    this.#pending = pending
    let started = false
    if (this.#failure === undefined) this.#socket.write(head, 'latin1')
    else this.#abandon(pending, this.#failure)
    const mark = (): void => void (started = true)
    pending.answered.promise.then(mark, () => undefined)
    return {
      answered: pending.answered.promise,
      reply: pending.reply.promise,
      hasStarted: () => started || this.#parser.started,
    }
  }

  /**
   * One chunk of the body. Resolves when the socket has taken all of it, so that the buffer is free again.
   *
   * The write waits for one turn of the event loop. A server that gives up replies and resets the connection, and Node
   * throws away what it has not yet read when a write fails; after a turn the reply has been read.
   */
  writeChunk(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    setImmediate(() => {
      const socket = this.#socket
      socket.cork()
      socket.write(Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'))
      socket.write(bytes)
      socket.write(CRLF, (error) => {
        if (error) reject(this.#failure ?? error)
        else resolve()
      })
      socket.uncork()
    })
    return promise
  }

  /** The end of a chunked body, after every chunk that was handed over before. */
  writeEnd(): void {
    setImmediate(() => this.#socket.write(LAST_CHUNK))
  }

  /** An idle connection does not keep the process alive. */
  setIdle(isIdle: boolean): void {
    if (isIdle) this.#socket.unref()
    else this.#socket.ref()
  }

  destroy(error?: Error): void {
    this.#fail(error ?? new Error('the connection was abandoned'))
  }

  #receive(bytes: Buffer): void {
    if (this.#pending === undefined) return this.#fail(new Error('the server sent bytes that nobody asked for'))
    try {
      this.#parser.push(bytes)
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #peerClosed(): void {
    try {
      this.#parser.close()
      this.#fail(new Error('the server closed the connection'))
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #settle(reply: HttpReply): void {
    const pending = this.#pending
    // A second final reply in one piece of data: the stream cannot be trusted any more.
    if (pending === undefined) return this.#fail(new Error('the server sent a reply that nobody asked for'))
    this.#pending = undefined
    pending.answered.resolve('final')
    pending.reply.resolve(reply)
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#socket.destroy()
    if (this.#pending !== undefined) this.#abandon(this.#pending, error)
  }

  #abandon(pending: Pending, error: Error): void {
    this.#pending = undefined
    pending.answered.reject(error)
    pending.reply.reject(error)
  }
}

async function openSocket(
  target: ResolvedTarget,
  address: string,
  ms: number,
  options: ConnectOptions,
): Promise<Socket> {
  const isTls = target.scheme === 'https'
  // The address that was checked is the one connected to; the name only goes into SNI and the certificate check.
  const socket = isTls
    ? connectTls({
        host: address,
        port: target.port,
        servername: isIP(target.host) > 0 ? '' : target.host,
        rejectUnauthorized: options.tls.insecureSkipVerify !== true,
        ...(options.tls.ca === undefined ? {} : { ca: options.tls.ca }),
        ALPNProtocols: ['http/1.1'],
      })
    : connectTcp({ host: address, port: target.port })
  socket.setNoDelay(true)
  // A load may wait a whole checkpoint for its next rows: this finds out about a host that vanished.
  socket.setKeepAlive(true, 30_000)
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const onConnect = (): void => resolve(socket)
  socket.once(isTls ? 'secureConnect' : 'connect', onConnect)
  socket.once('error', reject)
  const late = (): Error => new Error(`no connection to ${authorityOf(target)} within ${options.connectMs} ms`)
  try {
    return await within(promise, Math.max(1, ms), late)
  } catch (error) {
    // Keeps a late error event from ending the process.
    socket.on('error', () => undefined)
    socket.destroy()
    throw error
  } finally {
    socket.off('error', reject)
  }
}
