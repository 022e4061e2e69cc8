import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the proxy knows of a request when it decides. */
export interface SeenRequest {
  readonly method: string
  /** Path and query, as they were sent. */
  readonly url: string
  readonly isConditional: boolean
}

export type Harm =
  /** The server carries the request out; its answer is lost. */
  | { readonly kind: 'drop-reply' }
  /** The connection breaks before the server hears of it. */
  | { readonly kind: 'reset' }
  /** The connection breaks at once; the server gets the request when `deliverLate` is called. */
  | { readonly kind: 'late' }
  /** An answer that is not the server's, which never hears of the request. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly code: string
      readonly headers?: Record<string, string>
      readonly body?: string
    }
  /** The server's answer, one byte each second. */
  | { readonly kind: 'trickle' }
  /** Nothing ever comes back, and the server hears nothing. */
  | { readonly kind: 'silence' }
  /** A write that the condition forbids is answered like one that was done: a server that ignores conditions. */
  | { readonly kind: 'ignore-condition' }

export interface Fault {
  readonly match: (request: SeenRequest) => boolean
  readonly harm: Harm
  /** How often; default: once. */
  readonly times?: number
}

/** Stands before an S3 server and does harm to chosen requests. */
export class S3FaultProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #target: URL
  readonly #agent = new Agent({ keepAlive: true })
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #late: (() => Promise<number>)[] = []
  #faults: { readonly fault: Fault; left: number }[] = []
  /** Every request, in the order in which they came. */
  readonly seen: SeenRequest[] = []

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing))
  }

  static async open(target: string): Promise<S3FaultProxy> {
    const proxy = new S3FaultProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', () => resolve()))
    return proxy
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  harm(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  heal(): void {
    this.#faults = []
  }

  /** Lets the server have the requests of `late`, whose senders have given up. Resolves with their statuses. */
  async deliverLate(): Promise<number[]> {
    return await Promise.all(this.#late.splice(0).map((deliver) => deliver()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = incoming
    const isConditional = headers['if-none-match'] !== undefined || headers['x-oss-forbid-overwrite'] !== undefined
    const request: SeenRequest = { method, url, isConditional }
    this.seen.push(request)
    const body = Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>).catch(() => []))
    const armed = this.#faults.find(({ fault, left }) => left > 0 && fault.match(request))
    if (armed !== undefined) armed.left -= 1
    await this.#perform(armed?.fault.harm, incoming, body, outgoing).catch(() => outgoing.destroy())
  }

  async #perform(
    harm: Harm | undefined,
    incoming: IncomingMessage,
    body: Buffer,
    outgoing: ServerResponse,
  ): Promise<void> {
    const forward = (): Promise<Answer> => this.#forward(incoming, body)
    switch (harm?.kind) {
      case undefined:
        return relay(await forward(), outgoing)
      case 'ignore-condition':
        return relay(allowed(await forward()), outgoing)
      case 'drop-reply':
        await forward()
        return void outgoing.destroy()
      case 'reset':
        return void outgoing.destroy()
      case 'late':
        this.#late.push(async () => (await forward()).status)
        return void outgoing.destroy()
      case 'answer': {
        const { status, code, headers = {}, body: said } = harm
        const error = `<Error><Code>${code}</Code><Message>harm</Message></Error>`
        const text = incoming.method === 'HEAD' ? '' : (said ?? error)
        outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(text)
        return
      }
      case 'trickle':
        return this.#trickle(await forward(), outgoing)
      case 'silence':
        return
    }
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    // The signature covers the host, so the server has to see the one that the client meant.
    const sent = httpRequest(
      new URL(incoming.url ?? '/', this.#target),
      { method: incoming.method, headers: incoming.headers, agent: this.#agent },
      (response) => {
        Array.fromAsync(response as AsyncIterable<Buffer>).then((chunks) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
        }, reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
    return promise
  }

  #trickle({ status, headers, body }: Answer, outgoing: ServerResponse): void {
    outgoing.writeHead(status, headers)
    outgoing.flushHeaders()
    let at = 0
    const timer = setInterval(() => {
      if (at < body.byteLength && !outgoing.destroyed) return void outgoing.write(body.subarray(at, ++at))
      clearInterval(timer)
      outgoing.end()
    }, 1000)
    this.#timers.add(timer)
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

function allowed(answer: Answer): Answer {
  return answer.status === 412 || answer.body.includes('FileAlreadyExists')
    ? { status: 200, headers: {}, body: Buffer.alloc(0) }
    : answer
}

function relay({ status, headers, body }: Answer, outgoing: ServerResponse): void {
  const { 'transfer-encoding': _, ...rest } = headers
  outgoing.writeHead(status, rest).end(body)
}
