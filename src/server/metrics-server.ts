import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { MillraceError } from '../index.ts'
import type { MetricsAddress } from './metrics-address.ts'

export interface MetricsPages {
  metrics(): Promise<{ readonly type: string; readonly text: string }>
  /** Why the job is not well, `undefined` when it is. */
  trouble(): string | undefined
}

export interface MetricsServer {
  readonly url: string
  close(): Promise<void>
}

const CONNECTIONS_MAX = 64
const REQUEST_MS = 5000

/** Serves `/metrics` and `/healthz` and nothing else, for reading only. */
export async function openMetricsServer(address: MetricsAddress, pages: MetricsPages): Promise<MetricsServer> {
  const isOurs = hostCheck(address.host)
  const server = createServer((request, response) => {
    answer(request, response, pages, isOurs).catch(() => response.destroy())
  })
  server.maxConnections = CONNECTIONS_MAX
  server.requestTimeout = REQUEST_MS
  server.headersTimeout = REQUEST_MS
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new MillraceError(`listening for metrics on ${address.host}:${address.port}: ${cause.message}`, {
          code: 'CONFIG',
          cause,
        }),
      ),
    )
    server.listen(address.port, address.host, resolve)
  })
  server.on('error', () => undefined)
  const { port } = server.address() as AddressInfo
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host
  return {
    url: `http://${host}:${port}/metrics`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: MetricsPages,
  isOurs: (host: string | undefined) => boolean,
): Promise<void> {
  if (!isOurs(request.headers.host)) return send(response, 421, 'text/plain', 'this host name is not served here\n')
  if (request.method !== 'GET') return send(response, 405, 'text/plain', 'only GET\n')
  switch (request.url) {
    case '/metrics': {
      const { type, text } = await pages.metrics()
      return send(response, 200, type, text)
    }
    case '/healthz': {
      const trouble = pages.trouble()
      return send(response, trouble === undefined ? 200 : 503, 'text/plain', `${trouble ?? 'ok'}\n`)
    }
    default:
      return send(response, 404, 'text/plain', 'only /metrics and /healthz\n')
  }
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  response.end(text)
}

/**
 * A web page can make a browser ask a server on this machine under a name of its own (DNS rebinding). A name that is
 * an address, or that we know as ours, cannot be such a name.
 */
function hostCheck(given: string): (host: string | undefined) => boolean {
  const names = new Set(['localhost', given.toLowerCase(), hostname().toLowerCase()])
  return (host) => {
    const name = /^(\[[^\]]+\]|[^:]+)(?::\d+)?$/.exec(host ?? '')?.[1]?.toLowerCase()
    if (name === undefined) return false
    return names.has(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0
  }
}
