import { lookup } from 'node:dns'
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { guardAddresses } from '../../core/address-guard.ts'

export interface Exchange {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  /** Bytes of the reply's body at most. */
  readonly replyBytesMax: number
  /** Breaks the connection at once. */
  readonly signal?: AbortSignal | undefined
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * Time that a request may take: `baseMs` for the way and the server's work, and what its bytes take at
 * `bytesPerSecond`, once for the request and once for the reply. So a server that trickles a byte a second is left.
 */
export interface Limits {
  readonly baseMs: number
  readonly bytesPerSecond: number
}

/** No whole reply. `mayHaveArrived`: the server can have carried out the request. */
export class WireFailure extends Error {
  override readonly name = 'WireFailure'
  readonly mayHaveArrived: boolean

  constructor(message: string, mayHaveArrived: boolean, cause?: unknown) {
    super(message, { cause })
    this.mayHaveArrived = mayHaveArrived
  }
}

const AGENT = { keepAlive: true, maxSockets: 64, scheduling: 'lifo' } as const
const addressGuard = guardAddresses(lookup, (host) => `object storage at ${host}`, 'an object store')
const agents = { 'http:': new HttpAgent(AGENT), 'https:': new HttpsAgent(AGENT) } as const

/**
 * One request and its whole reply. Redirects are not followed, and nothing is repeated.
 *
 * @throws WireFailure when there is no whole reply.
 */
export async function exchange(
  request: Exchange,
  limits: Limits,
  guard: 'guarded' | 'metadata' = 'guarded',
): Promise<Reply> {
  const { method, url, headers, body } = request
  const isTls = url.protocol === 'https:'
  const sent = (isTls ? httpsRequest : httpRequest)(url, {
    method,
    headers: { ...headers, 'accept-encoding': 'identity', 'content-length': String(body?.byteLength ?? 0) },
    agent: agents[isTls ? 'https:' : 'http:'],
    ...(guard === 'guarded' && { lookup: addressGuard.lookup }),
  })
  const responded = Promise.withResolvers<IncomingMessage>()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  let timer: NodeJS.Timeout | undefined
  const allow = (bytes: number, doing: string): void => {
    clearTimeout(timer)
    const ms = Math.min(limits.baseMs + (bytes / limits.bytesPerSecond) * 1000, 2 ** 31 - 1)
    timer = setTimeout(() => failed.reject(new Error(`${doing} took longer than ${Math.round(ms)} ms`)), ms)
  }
  let isConnected = false
  sent.on('socket', (socket) => {
    if (!socket.connecting) isConnected = true
    else socket.once(isTls ? 'secureConnect' : 'connect', () => (isConnected = true))
  })
  const giveUp = (): void => failed.reject(new Error('it was given up'))
  request.signal?.addEventListener('abort', giveUp, { once: true })
  if (request.signal?.aborted === true) giveUp()
  sent.on('error', failed.reject)
  sent.on('response', responded.resolve)
  try {
    allow(body?.byteLength ?? 0, 'the request')
    sent.end(body)
    const response = await Promise.race([responded.promise, failed.promise])
    allow(Number(response.headers['content-length'] ?? 0), 'the reply')
    const bytes = await Promise.race([readBody(response, request.replyBytesMax), failed.promise])
    return { status: response.statusCode ?? 0, headers: response.headers, body: bytes }
  } catch (thrown) {
    sent.destroy()
    const error = thrown as NodeJS.ErrnoException
    throw new WireFailure(error.code ?? error.message, isConnected, thrown)
  } finally {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', giveUp)
  }
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.byteLength
    if (length > bytesMax) throw new Error(`the reply has more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length)
}
