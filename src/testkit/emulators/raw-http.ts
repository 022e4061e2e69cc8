import { request, type IncomingHttpHeaders } from 'node:http'

/** For the tests of the emulators: one HTTP request, as plainly as Node sends it. */
export interface RawRequest {
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Basic credentials; undefined sends none. Default `root:`. */
  readonly credentials?: string | undefined
}

export interface RawReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: Record<string, unknown>
  /** The server asked for the body with `100 Continue`. */
  readonly wasContinued: boolean
}

/** Sends one request without following redirects. With an `Expect` header the body waits for `100 Continue`. */
export function send(url: string, options: RawRequest): Promise<RawReply> {
  const credentials = 'credentials' in options ? options.credentials : 'root:'
  const headers: Record<string, string> = { ...options.headers }
  if (credentials !== undefined) headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`
  const body = options.body ?? ''
  const isChunked = headers['transfer-encoding'] !== undefined
  if (!isChunked && options.method !== 'GET') headers['content-length'] ??= String(Buffer.byteLength(body))
  return new Promise((resolve, reject) => {
    let wasContinued = false
    const outgoing = request(url, { method: options.method, headers, agent: false })
    outgoing.on('error', reject)
    outgoing.on('continue', () => {
      wasContinued = true
      outgoing.end(body)
    })
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: tryJson(text),
          wasContinued,
        })
        outgoing.destroy()
      })
    })
    if (headers['expect'] === undefined) outgoing.end(body)
    else outgoing.flushHeaders()
  })
}

/** Follows 307s by hand with credentials on every hop. Returns the last reply and the hosts on the way. */
export async function sendFollowing(url: string, options: RawRequest): Promise<RawReply & { readonly hops: string[] }> {
  const hops: string[] = []
  for (let at = url; ;) {
    const reply = await send(at, options)
    if (reply.status !== 307 || hops.length > 4) return { ...reply, hops }
    at = String(reply.headers.location)
    hops.push(new URL(at).host)
  }
}

function tryJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
