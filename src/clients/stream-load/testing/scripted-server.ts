import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Secret } from '../../../core/secret.ts'
import type { StreamLoadEndpoint } from '../endpoint.ts'

/** What a scripted server saw of one request before it was told what to answer. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
}

/** One request, under the control of the test's script. */
export interface Visit extends Seen {
  /** Sends `100 Continue`. */
  proceed(): void
  /** Reads a chunked body to its end. */
  readBody(): Promise<Buffer>
  /** Sends a complete reply with a length; objects become JSON. */
  reply(body: object | string, status?: number, headers?: Record<string, string>): void
  redirect(to: string): void
  /** Sends these bytes as they are. */
  raw(text: string): void
  /** Ends the connection in an orderly way, or with a reset. */
  close(how?: 'fin' | 'reset'): void
  readonly socket: Socket
}

export type Script = (visit: Visit) => void | Promise<void>

/** An HTTP server that does what the test says, byte by byte, and remembers whom it saw. */
export class ScriptedServer implements AsyncDisposable {
  readonly seen: Seen[] = []
  readonly failures: unknown[] = []
  /** Everything that came in, as text. */
  received = ''
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(
    script: Script,
    options: { readonly tls?: { readonly key: string; readonly cert: string } } = {},
  ): Promise<ScriptedServer> {
    const { tls } = options
    const server = tls === undefined ? createServer({ noDelay: true }) : createTlsServer(tls)
    const self = new ScriptedServer(server)
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => self.#serve(socket, script))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return self
  }

  get port(): number {
    // A TCP server that listens has an address with a port.
    return (this.#server.address() as AddressInfo).port
  }

  get authority(): string {
    return `127.0.0.1:${this.port}`
  }

  get url(): string {
    return `http://${this.authority}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #serve(socket: Socket, script: Script): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    this.#visits(socket, script).catch((error: unknown) => this.failures.push(error))
  }

  async #visits(socket: Socket, script: Script): Promise<void> {
    const input = new Input(socket, (text) => (this.received += text))
    for (;;) {
      const head = await input.until('\r\n\r\n')
      if (head === undefined) return
      const seen = parse(head)
      this.seen.push(seen)
      await script(visitOf(seen, socket, input))
    }
  }
}

/** An endpoint for scripted servers: user `tester`, password `canary-secret`. */
export function endpointOf(
  servers: readonly ScriptedServer[],
  more: Partial<StreamLoadEndpoint> = {},
): StreamLoadEndpoint {
  return {
    urls: servers.map((server) => server.url),
    username: 'tester',
    password: new Secret('canary-secret'),
    allowPlaintext: false,
    timeouts: { connectMs: 2_000, continueMs: 2_000, idleMs: 5_000, totalMs: 5_000 },
    ...more,
  }
}

function visitOf(seen: Seen, socket: Socket, input: Input): Visit {
  const raw = (text: string): void => void socket.write(text, 'latin1')
  return {
    ...seen,
    socket,
    raw,
    proceed: () => raw('HTTP/1.1 100 Continue\r\n\r\n'),
    readBody: () => readChunked(input),
    reply: (body, status = 200, headers = {}) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      raw(`HTTP/1.1 ${status} X\r\nContent-Length: ${Buffer.byteLength(text)}\r\n${lines.join('')}\r\n`)
      socket.write(text)
    },
    redirect: (to) => raw(`HTTP/1.1 307 Temporary Redirect\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`),
    close: (how = 'fin') => (how === 'reset' ? void socket.resetAndDestroy() : void socket.end()),
  }
}

function parse(head: string): Seen {
  const [first = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const headers = new Map(lines.map((line) => [line.split(':')[0]?.toLowerCase() ?? '', line.replace(/^[^:]*: ?/, '')]))
  return { method, path, headers }
}

async function readChunked(input: Input): Promise<Buffer> {
  const parts: Buffer[] = []
  for (;;) {
    const size = Number.parseInt((await input.until('\r\n')) ?? 'x', 16)
    if (Number.isNaN(size)) throw new Error('the body ended in the middle')
    if (size > 0) parts.push(await input.take(size))
    await input.until('\r\n')
    if (size === 0) return Buffer.concat(parts)
  }
}

/** Bytes of a socket, read on demand. */
class Input {
  #buffer: Buffer = Buffer.alloc(0)
  readonly #chunks: AsyncIterator<Buffer>
  readonly #log: (text: string) => void

  constructor(socket: Socket, log: (text: string) => void) {
    this.#chunks = socket.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    this.#log = log
  }

  async until(end: string): Promise<string | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(end, 0, 'latin1')
      if (at >= 0) {
        const text = this.#buffer.toString('latin1', 0, at)
        this.#buffer = this.#buffer.subarray(at + end.length)
        return text
      }
      if (!(await this.#more())) return undefined
    }
  }

  async take(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let missing = bytes; missing > 0;) {
      if (this.#buffer.length === 0 && !(await this.#more())) throw new Error('the body ended in the middle')
      const part = this.#buffer.subarray(0, missing)
      this.#buffer = this.#buffer.subarray(part.length)
      parts.push(part)
      missing -= part.length
    }
    return Buffer.concat(parts)
  }

  async #more(): Promise<boolean> {
    try {
      const next = await this.#chunks.next()
      if (next.done === true) return false
      this.#log(next.value.toString('latin1'))
      this.#buffer = Buffer.concat([this.#buffer, next.value])
      return true
    } catch {
      return false
    }
  }
}
