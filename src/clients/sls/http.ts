import http, { type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { addressGuard } from './addresses.ts'
import type { SlsEndpoint } from './endpoint.ts'

export interface HttpReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query, percent-encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface HttpLimits {
  /** Without a byte for so long, an exchange is given up. */
  readonly silenceMs: number
  /** A whole exchange may take no longer, however steadily its bytes come. */
  readonly totalMs: number
  /** Larger replies are refused before they are read. */
  readonly replyBytesMax: number
}

/** Kept connections to one endpoint. Redirects are replies like any other: nothing is ever sent elsewhere. */
export class SlsHttp {
  readonly #endpoint: SlsEndpoint
  readonly #limits: HttpLimits
  readonly #agent: http.Agent
  readonly #options: RequestOptions

  constructor(endpoint: SlsEndpoint, limits: HttpLimits) {
    addressGuard.assertAllowed(endpoint.host)
    this.#endpoint = endpoint
    this.#limits = limits
    const { host, port, scheme } = endpoint
    const agentOptions = { keepAlive: true, scheduling: 'lifo', maxSockets: Infinity } as const
    this.#agent = scheme === 'https' ? new https.Agent(agentOptions) : new http.Agent(agentOptions)
    // Node would take the name to verify from the Host header, which is not what an address is connected to by.
    const tls = scheme === 'https' ? { servername: isIP(host) === 0 ? host : '' } : {}
    this.#options = { host, port, agent: this.#agent, lookup: addressGuard.lookup, ...tls }
  }

  /** Rejects when there is no whole reply; the reason is in the message. `allocate` makes the memory of its body. */
  send(
    { method, target, headers, body }: HttpRequest,
    signal: AbortSignal | undefined,
    allocate: (bytes: number) => Buffer = Buffer.allocUnsafe,
  ): Promise<HttpReply> {
    const { silenceMs, totalMs } = this.#limits
    const send = this.#endpoint.scheme === 'https' ? https.request : http.request
    return new Promise((resolve, reject) => {
      const request = send({ ...this.#options, method, path: target, headers, ...(signal && { signal }) })
      const late = setTimeout(() => request.destroy(new Error(`no whole reply within ${totalMs} ms`)), totalMs)
      const fail = (error: Error): void => {
        clearTimeout(late)
        reject(error)
      }
      request.setTimeout(silenceMs, () => request.destroy(new Error(`nothing came for ${silenceMs} ms`)))
      request.on('error', fail)
      request.on('response', (response) => {
        readBody(response, this.#limits.replyBytesMax, allocate).then(
          (read) => {
            clearTimeout(late)
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: read })
          },
          (error: Error) => {
            request.destroy()
            fail(error)
          },
        )
      })
      request.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The length is known first, so that the body is written once, where it stays. */
function readBody(
  response: http.IncomingMessage,
  bytesMax: number,
  allocate: (bytes: number) => Buffer,
): Promise<Buffer> {
  const announced = Number(response.headers['content-length'] ?? Number.NaN)
  const tooLarge = new Error(`a reply of more than ${bytesMax} bytes`)
  return new Promise((resolve, reject) => {
    if (announced > bytesMax) return reject(tooLarge)
    const whole = Number.isNaN(announced) ? undefined : allocate(announced)
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      if (length + chunk.length > bytesMax) return reject(tooLarge)
      if (whole === undefined) chunks.push(chunk)
      else chunk.copy(whole, length)
      length += chunk.length
    })
    response.on('end', () => {
      if (whole === undefined) return resolve(Buffer.concat(chunks))
      if (length !== announced) return reject(new Error(`${length} of ${announced} bytes came`))
      resolve(whole)
    })
    response.on('error', reject)
    response.on('aborted', () => reject(new Error(`the connection broke after ${length} bytes of the reply`)))
  })
}
