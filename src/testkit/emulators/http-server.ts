import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Reply {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  /** Close the connection after this reply. */
  readonly close?: boolean
}

/** The peer went away, or a fault broke the connection, while the body was being read. */
export class ConnectionLost extends Error {}

/** One request while it is being answered. */
export interface Exchange {
  readonly method: string
  /** Path and query as sent: redirects repeat it. */
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly isHttp10: boolean
  readonly expectsContinue: boolean
  /** Body bytes read so far. */
  readonly bodyBytes: number
  /** Break the connection after so many bytes of the body. */
  resetAfterBytes: number | undefined
  /** Asks for the body (`100 Continue` if the client waits for it) and reads it to its end. Returns its length. */
  readBody(onChunk: (chunk: Buffer) => void): Promise<number>
  /** Breaks the connection now. */
  reset(): void
}

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  /** Bytes of an unwanted body that are read and thrown away after an early reply, before the connection is cut. */
  readonly drainBytesMax: number
  /** Replies, or undefined to close the connection without one. */
  readonly answer: (exchange: Exchange) => Promise<Reply | undefined>
}

/** An HTTP/1.1 listener that may answer before it has asked for the body, as the real servers do. */
export class HttpListener {
  readonly #options: ListenerOptions
  #server: Server | undefined
  #port: number

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#port = options.port
  }

  /** `host:port`, known once it has listened. */
  get address(): string {
    return `${this.#options.host}:${this.#port}`
  }

  get isListening(): boolean {
    return this.#server !== undefined
  }

  async listen(): Promise<void> {
    if (this.#server !== undefined) return
    // Both framings in one request are a load error that the backend words itself, so the parser must let them pass.
    const server = createServer({ insecureHTTPParser: true, highWaterMark: 256 * 1024 })
    server.requestTimeout = 0
    server.headersTimeout = 0
    server.keepAliveTimeout = 60_000
    server.on('request', (request, response) => void this.#handle(request, response, false))
    server.on('checkContinue', (request, response) => void this.#handle(request, response, true))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, this.#options.host, resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Cuts every open connection; goes on listening. */
  dropConnections(): void {
    this.#server?.closeAllConnections()
  }

  /** Stops listening; the port is kept for the next `listen`. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  async #handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const exchange = new NodeExchange(request, response, expectsContinue)
    let reply: Reply | undefined
    try {
      reply = await this.#options.answer(exchange)
    } catch (error) {
      if (error instanceof ConnectionLost) return exchange.reset()
      reply = { status: 500, body: JSON.stringify({ status: 'FAILED', msg: String(error) }) }
    }
    if (reply === undefined || response.destroyed) return exchange.reset()
    await exchange.send(reply, this.#options.drainBytesMax)
  }
}

class NodeExchange implements Exchange {
  readonly method: string
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly isHttp10: boolean
  readonly expectsContinue: boolean
  bodyBytes = 0
  resetAfterBytes: number | undefined
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #isBodyWanted = false

  constructor(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) {
    this.#request = request
    this.#response = response
    this.expectsContinue = expectsContinue
    this.method = request.method ?? 'GET'
    this.url = request.url ?? '/'
    const mark = this.url.indexOf('?')
    this.path = mark < 0 ? this.url : this.url.slice(0, mark)
    this.query = new URLSearchParams(mark < 0 ? '' : this.url.slice(mark + 1))
    this.headers = request.headers
    this.isHttp10 = request.httpVersion === '1.0'
    request.on('error', () => undefined)
    response.on('error', () => undefined)
  }

  readBody(onChunk: (chunk: Buffer) => void): Promise<number> {
    this.#isBodyWanted = true
    if (this.expectsContinue) this.#response.writeContinue()
    const request = this.#request
    return new Promise((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        const limit = this.resetAfterBytes
        const part = limit === undefined ? chunk : chunk.subarray(0, Math.max(0, limit - this.bodyBytes))
        this.bodyBytes += part.length
        try {
          onChunk(part)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
        if (limit !== undefined && this.bodyBytes >= limit) this.reset()
      })
      request.once('end', () => resolve(this.bodyBytes))
      request.once('close', () => reject(new ConnectionLost('connection lost while reading the body')))
    })
  }

  reset(): void {
    this.#request.destroy()
    this.#request.socket.destroy()
  }

  async send(reply: Reply, drainBytesMax: number): Promise<void> {
    const response = this.#response
    // A client that got a final reply instead of `100 Continue` keeps its body; nobody could tell that body from a next request.
    const isBodyUnread = !this.#request.complete
    if (reply.close === true || isBodyUnread) response.shouldKeepAlive = false
    response.writeHead(reply.status, {
      'Content-Type': 'application/json; charset=utf-8',
      ...reply.headers,
      'Content-Length': Buffer.byteLength(reply.body),
    })
    if (isBodyUnread && (this.#isBodyWanted || !this.expectsContinue)) {
      response.write(reply.body)
      await this.#drain(drainBytesMax)
      response.end()
    } else {
      response.end(reply.body)
    }
  }

  #drain(bytesMax: number): Promise<void> {
    const request = this.#request
    return new Promise((resolve) => {
      let drained = 0
      request.on('data', (chunk: Buffer) => {
        drained += chunk.length
        if (drained > bytesMax) resolve()
      })
      request.once('end', resolve)
      request.once('close', resolve)
    })
  }
}
