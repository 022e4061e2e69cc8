import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HttpAnswer } from './answers.ts'
import type { SignedRequest } from './signature.ts'

/** An HTTP listener whose answers are bytes, and may break off. Undefined closes the connection without an answer. */
export class SlsListener {
  readonly #server: Server
  readonly #host: string

  constructor(host: string, answer: (request: SignedRequest) => Promise<HttpAnswer | undefined>) {
    this.#host = host
    this.#server = createServer((request, response) => void respond(request, response, answer))
    this.#server.keepAliveTimeout = 60_000
  }

  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, this.#host, resolve)
    })
    return `${this.#host}:${(this.#server.address() as AddressInfo).port}`
  }

  /** Cuts every open connection; goes on listening. */
  dropConnections(): void {
    this.#server.closeAllConnections()
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: SignedRequest) => Promise<HttpAnswer | undefined>,
): Promise<void> {
  const { method = 'GET', url = '/', headers } = request
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  } catch {
    return
  }
  const made = await answer({ method, path, query, headers, body: Buffer.concat(chunks) })
  if (made === undefined) return void request.socket.destroy()
  const { status, body, sentBytes } = made
  response.writeHead(status, { ...made.headers, 'content-length': body.length })
  if (sentBytes === undefined) return void response.end(body)
  response.write(body.subarray(0, sentBytes), () => request.socket.destroy())
}
